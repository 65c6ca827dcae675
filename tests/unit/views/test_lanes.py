"""The swim lanes' drawing, from logs made by hand: nothing overlaps, is shown by color alone, or is lost."""

from datetime import UTC, datetime, timedelta

import pytest
from drawings import Drawn
from lab import CHROMIUM
from playwright.sync_api import sync_playwright

from workshop_lib.evidence.history import History, Link, Step
from workshop_lib.evidence.log import UnifiedLog
from workshop_lib.views.grid import text
from workshop_lib.views.lanes import draw, written

LONG = "an-uncommonly-long-name-that-no-lane-of-this-picture-has-room-for-WWWWWWWWWWWWWWWW"
HOSTILE = '<script>alert("1")</script> & <b>'
REASON = "UnknownTicker: No stock NOPE is traded, and none of that name ever was, here or anywhere else at all."


def at(milliseconds: float) -> datetime:
    return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def workflow(namespace: str, id: str, begin: float, end: float | None, *steps: Step, status: str = "") -> History:
    status = status or ("completed" if end else "running")
    closed, failure = None if end is None else at(end), REASON if status == "failed" else ""
    return History(
        id, "Kind", namespace, "q", status, at(begin), closed, 9, steps=list(steps), failure=failure, run_id=f"run-{id}"
    )


def call(begin: float, end: float | None, to: Link | None, status: str = "completed") -> Step:
    closed, links = None if end is None else at(end), [to] if to else []
    started, failure = at(begin + 1) if to else None, "" if status == "completed" else REASON
    return Step("nexus operation", "price", "1", at(begin), started, closed, status, 1, failure, links, None, "finance")


def log(*histories: History, unread: dict[Link, str] | None = None) -> UnifiedLog:
    return UnifiedLog(list(histories), unread or {})


def pair(status: str = "completed") -> UnifiedLog:
    failure = REASON if status == "failed" else ""
    step = Step("activity", "read", "1", at(30), at(31), at(35), status, 3, failure)
    there = workflow("finance", "theirs", 20, 40, step, status=status)
    here = workflow("sales", "mine", 0, 60, call(10, 50, there.link, status), status=status)
    there.links = [here.link]
    return log(here, there)


def twelve_at_once() -> UnifiedLog:
    """So many calls at once, there and back to two namespaces."""
    theirs, calls = [], []
    for index in range(12):
        begin, end = 10 + index, 200 + index
        activity = Step("activity", LONG, "1", at(begin + 8), at(begin + 9), at(begin + 12), "completed", 1)
        theirs.append(workflow(("finance", "it")[index % 2], f"{LONG}-{index}", begin + 5, end - 5, activity))
        calls.append(call(begin, end, theirs[-1].link))
    return log(workflow("sales", "mine", 0, 10_000, *calls), *theirs)


def child() -> UnifiedLog:
    """A child in its parent's namespace, that is still open."""
    there = workflow("sales", "child", 20, None)
    step = call(10, None, there.link, "running")
    step.kind, step.endpoint, step.failure = "child workflow", "", ""
    return log(workflow("sales", "parent", 0, None, step), there)


CLOSED = Link("finance", "theirs", "r")
LOGS = {
    "pair": pair(),
    "failed": pair("failed"),
    "twelve at once": twelve_at_once(),
    "denied": log(workflow("sales", "mine", 0, 60, call(10, 50, CLOSED)), unread={CLOSED: "no right to read"}),
    "without a workflow": log(workflow("sales", "mine", 0, 9e8, call(8e8, 8.5e8, None), call(9, 55, None, "failed"))),
    "child": child(),
    "hostile": log(workflow(HOSTILE, HOSTILE, 0, 60, call(1, 2, None, "failed"), status="failed")),
}


def test_a_line_does_not_end_between_a_number_and_its_unit() -> None:
    assert ">✓ update 2 of 3: 12\N{NO-BREAK SPACE}s, it waited<" in text("✓ update 2 of 3: 12 s, it waited")


# The texts that lie on another, as far as they are shown, and those that stand out of the picture.
WRONG = """picture => {
    const texts = [...picture.querySelectorAll("*")].filter(each => each.innerText && !each.children.length);
    const boxes = texts.map(each => each.getBoundingClientRect()), edge = picture.getBoundingClientRect().right;
    const on = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const bad = (box, at) => box.right > edge + 1 || boxes.slice(0, at).some(other => on(box, other));
    return texts.filter((_, at) => bad(boxes[at], at)).map(each => each.innerText);
}"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_texts_stand_inside_and_do_not_overlap() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        for log in LOGS.values():
            page.set_content(draw(log))
            assert page.locator("[role=figure]").evaluate(WRONG) == []
        browser.close()


def test_what_failed_says_so_and_why_once_on_each_side() -> None:
    said = Drawn(draw(pair("failed"))).texts
    assert sum("UnknownTicker" in each for each in said) == 2, "at the step and at the caller, not at the workflow too"
    assert any(each.startswith("✗ ← price: failed in 40 ms") for each in said)
    assert any(each.startswith("✗ activity read") for each in said)
    assert "here or anywhere else at all." in " ".join(each.strip() for each in said)
    good = {"✓ completed", "← price: 40 ms", "✓ activity read: 5 ms, 3 attempts", "→ price", "+10 ms", "+30 ms"}
    assert good <= set(Drawn(draw(pair())).texts)


def test_what_is_open_goes_on_below_or_waits() -> None:
    picture = Drawn(draw(child()))
    assert picture.texts.count("⌄") == 2
    assert {"→ price: running", "Kind child"} <= set(picture.texts)
    picture = Drawn(draw(log(workflow("sales", "mine", 0, None, call(10, None, None, "waiting")))))
    assert any(each.startswith("→ price: waiting, last failure") for each in picture.texts)


def test_hostile_text_is_only_text_and_all_of_it_is_in_the_plain_text() -> None:
    failed = call(9, 55, None, "failed")
    assert HOSTILE in Drawn(draw(log(workflow(HOSTILE, HOSTILE, 0, 60, failed, status="failed")))).texts
    lines = list(written(twelve_at_once()))
    assert f"00:00:00.015  finance · Kind {LONG}-0, called from sales" in lines
    assert f"00:00:00.018  finance · {LONG}-0 · ✓ activity {LONG}: 4 ms" in lines
    assert [line[14:] for line in written(log(workflow("sales", "mine", 0, 60, failed)))][2:4] == [
        "endpoint finance · no workflow is known, called from sales",
        f"sales · mine · ✗ ← price: failed in 46 ms: {REASON}",
    ]
