"""The swim lanes' drawing, from logs made by hand: nothing overlaps, nothing is told by colour alone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from workshop_lib.evidence.history import History, Link, Step
from workshop_lib.governance.log import Entry, UnifiedLog, link_to
from workshop_lib.views.lanes import draw

SVG = "{http://www.w3.org/2000/svg}"
START = datetime(2030, 1, 1, tzinfo=UTC)
LONG = "an-uncommonly-long-name-that-no-lane-of-this-picture-has-room-for-WWWWWWWWWWWWWWWW"
HOSTILE = '<script>alert("1")</script> & <b>'
REASON = "UnknownTicker: No stock NOPE is traded, and none of that name ever was, here or anywhere else at all."
Box = tuple[float, float, float, float]


def at(milliseconds: float) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


def workflow(
    namespace: str, id: str, begin: float, end: float | None, *steps: Step, status: str = "completed", failure: str = ""
) -> History:
    closed = None if end is None else at(end)
    return History(
        id, "Kind", namespace, "q", status, at(begin), closed, 9, steps=list(steps), failure=failure, run_id=f"run-{id}"
    )


def call(begin: float, end: float | None, to: Link | None, status: str = "completed", failure: str = "") -> Step:
    closed, links = None if end is None else at(end), [to] if to else []
    started = at(begin + 1) if to else None
    return Step("nexus operation", "price", "1", at(begin), started, closed, status, 1, failure, links, None, "finance")


def log(*histories: History, unread: dict[Link, str] | None = None, since: float | None = None) -> UnifiedLog:
    times = [when for told in histories for when in (told.started, told.closed) if when]
    times += [when for told in histories for step in told.steps for when in (step.scheduled, step.closed) if when]
    shown = sorted(when for when in times if since is None or when >= at(since))
    return UnifiedLog([Entry(when, "n", "", "w", "", "") for when in shown], list(histories), unread or {})


def pair(status: str = "completed", failure: str = "") -> UnifiedLog:
    """A caller in sales, and what it called in finance."""
    step = Step("activity", "read", "1", at(30), at(31), at(35), status, 3, failure)
    there = workflow("finance", "theirs", 20, 40, step, status=status, failure=failure)
    here = workflow("sales", "mine", 0, 60, call(10, 50, link_to(there), status, failure))
    there.links = [link_to(here)]
    return log(here, there)


def many(count: int, at_once: bool) -> UnifiedLog:
    """So many calls, at once or one after another, there and back to two namespaces."""
    step = 1 if at_once else 100
    theirs, calls = [], []
    for number in range(count):
        begin, end = 10 + number * step, (200 if at_once else 50) + number * step
        activity = Step("activity", LONG, "1", at(begin + 8), at(begin + 9), at(begin + 12), "completed", 1)
        namespace = ("finance", "it")[number % 2]
        theirs.append(workflow(namespace, f"{LONG}-{number}", begin + 5, end - 5, activity))
        calls.append(call(begin, end, link_to(theirs[-1])))
    return log(workflow("sales", "mine", 0, 10_000, *calls), *theirs)


def unread(why: str, status: str = "completed") -> UnifiedLog:
    """A call to what may not be read, or is gone."""
    link = Link("finance", "theirs", "r")
    return log(workflow("sales", "mine", 0, 60, call(10, 50, link, status, REASON)), unread={link: why})


def narrow(count: int) -> UnifiedLog:
    """So many namespaces."""
    theirs = [workflow(f"{LONG}-{number}", LONG, 10, 20) for number in range(count)]
    return log(workflow("sales", LONG, 0, 60, *(call(5, 30, link_to(each)) for each in theirs)), *theirs)


def child() -> UnifiedLog:
    """A child in its parent's namespace, that is still open."""
    there = workflow("sales", "child", 20, None, status="running")
    step = call(10, None, link_to(there), "running")
    step.kind, step.endpoint = "child workflow", ""
    return log(workflow("sales", "parent", 0, None, step, status="running"), there)


LOGS = {
    "pair": pair(),
    "failed": pair("failed", REASON),
    "twelve": many(12, at_once=False),
    "twelve at once": many(12, at_once=True),
    "denied": unread("no right to read", "failed"),
    "gone": unread("its record is gone"),
    "without a workflow": log(
        workflow("sales", "mine", 0, 60, call(10, 50, None), call(52, 55, None, "failed", REASON))
    ),
    "twelve namespaces": narrow(12),
    "child": child(),
    "long after": log(workflow("sales", "mine", 0, 1e9, call(9e8, 9.5e8, None))),
    "hostile": log(workflow(HOSTILE, HOSTILE, 0, 60, call(1, 2, None, "failed", HOSTILE), status="failed")),
}


def drawn(name: str) -> ET.Element:
    return ET.fromstring(draw(LOGS[name]))


def words(root: ET.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def texts(root: ET.Element) -> Iterator[Box]:
    """What each text takes: from its baseline 11 up and 3 down, and no wider than its room."""
    for each in root.findall(f"{SVG}svg"):
        (inner,) = each
        x, y, room = (float(each.get(name, 0)) for name in ("x", "y", "width"))
        yield x, y + 3, x + min(room, 6.6 * len(inner.text or "")), y + 17
    for each in root.findall(f"{SVG}text"):
        x, y, wide = float(each.get("x", 0)), float(each.get("y", 0)), 6.6 * len(each.text or "")
        left = x - wide if each.get("text-anchor") else x
        yield left, y - 11, left + wide, y + 3


def arrows(root: ET.Element) -> list[list[Box]]:
    """The straight parts of each arrow, without its head."""
    found = []
    for each in root.iter(f"{SVG}path"):
        points = each.get("d", "")
        if not re.fullmatch(r"M\S+ \S+?(H[-\d.]+V[-\d.]+)?H[-\d.]+", points) or each.get("stroke", "").count("border"):
            continue
        x, y, *rest = (float(number) for number in re.findall(r"-?[\d.]+", points))
        parts = []
        for number, goal in enumerate(rest):
            new = (goal, y) if number % 2 == 0 else (x, goal)
            parts.append((min(x, new[0]), min(y, new[1]), max(x, new[0]), max(y, new[1])))
            x, y = new
        found.append(parts)
    return found


def apart(a: Box, b: Box) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize("name", LOGS)
def test_texts_stand_inside_and_overlap_neither_arrows_nor_each_other(name: str) -> None:
    root = drawn(name)
    _, _, width, height = map(float, root.get("viewBox", "").split())
    boxes = list(texts(root))
    for number, box in enumerate(boxes):
        assert 0 <= box[0] < box[2] <= width, (name, box)
        assert 0 <= box[1] < box[3] <= height
        assert all(apart(box, other) for other in boxes[:number]), (name, box)
        assert all(apart(box, part) for arrow in arrows(root) for part in arrow), (name, box)
    assert all(float(each.get("width", 0)) > 0 for each in [*root.iter(f"{SVG}svg"), *root.iter(f"{SVG}rect")][1:])


@pytest.mark.parametrize("name", ["pair", "twelve", "twelve at once", "twelve namespaces"])
def test_each_call_has_an_arrow_there_and_one_back(name: str) -> None:
    root = drawn(name)
    calls = sum(len(told.steps) for told in LOGS[name].histories if told.namespace == "sales")
    assert len(arrows(root)) == 2 * calls
    lines = [each for each in root.iter(f"{SVG}path") if each.get("stroke-dasharray") == "5 3"]
    assert len(lines) == calls, "the answers' are dashed"
    bars = [each for each in root.iter(f"{SVG}rect") if "color1" in each.get("fill", "")]
    assert len(bars) == 1 + calls
    edges = {round(float(bar.get("x", 0)) + side, 1) for bar in bars for side in (0, float(bar.get("width", 0)))}
    for arrow in arrows(root):
        goals = (arrow[-1][0], arrow[-1][2])
        assert any(abs(goal - edge) <= 2.2 for goal in goals for edge in edges), "it ends at a bar"


def test_an_arrow_over_two_rows_changes_between_its_bars() -> None:
    bent = [arrow for arrow in arrows(drawn("twelve at once")) if len(arrow) == 3]
    assert len(bent) > 12
    for first, upright, last in bent:
        assert min(first[0], last[0]) < upright[0] < max(first[2], last[2])


def test_the_lanes_are_in_the_order_in_which_they_come_into_it() -> None:
    heads = [each for each in words(drawn("twelve")) if each in ("sales", "finance", "it")]
    assert heads == ["sales", "finance", "it"]


def test_bars_at_the_same_time_stand_side_by_side() -> None:
    for name, beside in (("twelve", 1), ("twelve at once", 6)):
        bars = [each for each in drawn(name).iter(f"{SVG}rect") if "color1" in each.get("fill", "")]
        assert len({each.get("x") for each in bars}) == 1 + 2 * beside


def test_what_failed_says_so_and_why_once_on_each_side() -> None:
    told = words(drawn("failed"))
    assert "✗ failed" in told
    assert sum("UnknownTicker" in each for each in told) == 2, "at the step and at the caller, not at the workflow too"
    assert any(each.startswith("✗ ← price: failed in 40 ms") for each in told)
    assert any(each.startswith("✗ activity read") for each in told)
    whole = " ".join(each.strip() for each in told)
    assert "here or anywhere else at all." in whole
    good = words(drawn("pair"))
    assert {"✓ completed", "← price: 40 ms", "✓ activity read: 5 ms, 3 attempts", "→ price"} <= set(good)
    assert not any(each.startswith("✗") for each in good if not each.startswith("✗ did not"))


def test_a_lane_that_one_may_not_read_is_closed() -> None:
    root = drawn("denied")
    assert {"closed: no right to read", "no right to read", "theirs"} <= set(words(root))
    frames = [each for each in root.iter(f"{SVG}rect") if float(each.get("y", 0)) == 1]
    assert [each.get("stroke-dasharray") for each in frames] == [None, "6 4"]
    assert [each.get("fill") == "none" for each in frames] == [True, False]
    (hollow,) = [each for each in root.iter(f"{SVG}rect") if each.get("stroke-dasharray") == "4 2"]
    assert hollow.get("fill") == "none"
    assert len(arrows(root)) == 2


def test_a_namespace_of_which_something_can_be_read_is_open() -> None:
    seen, link = pair(), Link("finance", "other", "r")
    seen.histories[0].steps.append(call(52, 55, link))
    both = log(*seen.histories, unread={link: "no right to read"})
    told = words(ET.fromstring(draw(both)))
    assert "closed: no right to read" not in told
    assert "no right to read" in told


def test_a_record_that_is_gone_is_no_closed_lane() -> None:
    told = words(drawn("gone"))
    assert "its record is gone" in told
    assert not [each for each in told if each.startswith("closed")]


def test_an_operation_without_a_workflow_crosses_to_its_endpoint() -> None:
    told = words(drawn("without a workflow"))
    assert told.count("endpoint finance") == 1
    assert {"namespace not told", "answered without a workflow", "no workflow is known"} <= set(told)
    assert len(arrows(drawn("without a workflow"))) == 4
    seen = pair()
    seen.histories[0].steps.append(call(52, 55, None))
    told = words(ET.fromstring(draw(log(*seen.histories))))
    assert "endpoint finance" not in told, "the other call tells where the endpoint leads"
    assert "answered without a workflow" in told


def test_who_called_may_not_be_readable_either() -> None:
    there = pair().histories[1]
    root = ET.fromstring(draw(log(there, unread={there.links[0]: "no right to read"})))
    told = words(root)
    assert told.index("sales") < told.index("closed: no right to read") < told.index("finance")
    assert "mine" in told
    assert len(arrows(root)) == 2


def test_what_is_open_goes_on_below_and_waits_without_an_arrow() -> None:
    root = drawn("child")
    assert sum("l5 5l5 -5" in each.get("d", "") for each in root.iter(f"{SVG}path")) == 2
    assert {"→ price: running", "Kind child"} <= set(words(root))
    assert len(arrows(root)) == 1
    waiting = log(workflow("sales", "mine", 0, None, call(10, None, None, "waiting", REASON), status="running"))
    root = ET.fromstring(draw(waiting))
    assert any(each.startswith("→ price: waiting, last failure") for each in words(root))
    assert not arrows(root)


def test_a_part_of_a_conversation_says_so() -> None:
    seen = pair()
    assert "goes on from before" not in words(ET.fromstring(draw(seen)))
    part = log(*seen.histories, since=10)
    part.entries = [entry for entry in part.entries if entry.when <= at(50)]
    root = ET.fromstring(draw(part))
    assert "goes on from before" in words(root)
    assert sum("l5 5l5 -5" in each.get("d", "") for each in root.iter(f"{SVG}path")) == 1


def test_a_caller_without_a_workflow_is_named() -> None:
    there = pair().histories[1]
    there.links = [Link("sales", "stranger", "r", standalone=True)]
    assert "called by operation stranger in sales" in " ".join(words(ET.fromstring(draw(log(there)))))


def test_names_are_text_and_what_is_cut_can_be_read() -> None:
    root = drawn("hostile")
    assert not list(root.iter(f"{SVG}script")) + list(root.iter("script"))
    assert HOSTILE in "".join(root.itertext())
    titles = [each.text or "" for each in drawn("twelve").iter(f"{SVG}title")]
    assert f"Kind {LONG}-0" in titles


def test_times_count_from_the_first() -> None:
    told = words(drawn("long after"))
    assert {"+0 ms", "+10 days 10 h", "Times count from 00:00:00 UTC."} <= set(told)
    assert {"+10 ms", "+30 ms", "+40 ms"} <= set(words(drawn("pair")))


def test_nothing_is_said() -> None:
    assert "Nothing happened in that time." in draw(UnifiedLog([], [], {}))
