"""The timeline's drawing, from histories made by hand: readable without color, and text is only text."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from drawings import Drawn

from workshop_lib.evidence.history import History, Link, Step
from workshop_lib.views import timeline
from workshop_lib.views.patience import LOOK_EVERY
from workshop_lib.views.timeline import draw

NOW = datetime.now(UTC)


def at(seconds: float | None) -> Any:
    return None if seconds is None else NOW + timedelta(seconds=seconds)


def step(name: str, begin: float, end: float | None, status: str, **more: Any) -> Step:
    return Step("activity", name, "1", at(begin), None if status == "waiting" else at(begin), at(end), status, **more)


def execution(id: str, end: float | None, *steps: Step, taken: float | None = 0.1) -> History:
    status = "running" if end is None else "completed"
    return History(id, "Kind", "default", "q", status, NOW, at(end), 9, taken=at(taken), steps=list(steps))


def drawn(record: History) -> tuple[Drawn, list[str]]:
    return (picture := Drawn(draw(record))), picture.texts


def test_what_failed_is_crossed_and_what_it_called_stands_below_it() -> None:
    calls = [execution("child", 2, step("inner", 1, 2, "completed"))]
    _, texts = drawn(
        execution(
            "mine",
            9,
            step("retried", 0, 2, "completed", attempts=3, failure="no luck in attempt 2"),
            step("bad", 2, 3, "failed", attempts=3, failure="<script>alert(1)</script>"),
            step("cut", 3, 4, "cancelled", due=at(8)),
            step("caller", 4, 5, "completed", calls=calls),
        )
    )
    assert {"↻ last failure: no luck in attempt 2", "✗ <script>alert(1)</script>", "cut short after 1 s"} <= set(texts)
    assert "completed in 2 s, 3 attempts" in texts
    assert texts.index("activity caller") < texts.index("└ default · Kind child") < texts.index("activity inner")
    assert texts.count("✗") == 1, "not only red; what was retried or cut short is not crossed"
    assert any("✗ did not complete" in each for each in texts), "the legend names what is in the picture"


def test_what_waits_is_hollow_and_dashed_until_it_runs() -> None:
    waiting = execution("mine", None, step("timer", 0, None, "waiting", due=at(3 * 86400)), taken=None)
    waiting.links = [Link("sales", "above", "r")]
    root, texts = drawn(waiting)
    assert {"running, no worker yet", "timer of 3 days", "called by above in namespace sales"} <= set(texts)
    assert any(each.startswith(("fires in 2 days 23 h", "fires in 3 days")) for each in texts)
    assert not root.styled("border-radius", "background")
    root, _ = drawn(execution("mine", 2, taken=1))
    assert len(root.styled("left:0.00%", "width:50.00%", "dashed")) == 1
    assert len(root.styled("left:50.00%", "width:50.00%", "background")) == 1
    assert root.styled("print-color-adjust:exact"), "browsers leave backgrounds out when they print"


async def test_it_does_not_ask_without_a_pause_when_its_wait_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    ends, pauses, sleep = iter([None, None, None, None, 3]), list[float](), asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    async def seen(handle: Any, follow: bool) -> History:
        return execution("mine", next(ends))

    async def fails() -> None:
        raise RuntimeError("the server was down")

    monkeypatch.setattr(timeline, "history", seen)
    monkeypatch.setattr(asyncio, "sleep", pause)
    await timeline.timeline(SimpleNamespace(result=fails))  # type: ignore[arg-type]
    assert pauses[1:] == [LOOK_EVERY] * 3, "after the first two, it waits before each look"


def update(begin: float, end: float) -> Step:
    return Step("update", "send_message", "u", at(begin), at(begin), at(end), "completed", 1)


def test_idle_time_is_left_out_and_what_runs_is_filled() -> None:
    talk = execution("mine", None, update(1, 2), step("ask", 1, 2, "completed"), update(602, 604))
    talk.resting = True  # nothing runs, so the picture ends with the last answer
    texts = drawn(talk)[1]
    assert "hollow: waits · filled: runs · ›  still open · // idle, left out: 10 min" in texts
    assert [text for text in texts if text.removesuffix(" s").isdigit()] == ["0", "1 s", "2 s", "3 s", "4 s"]
    waits = execution("mine", None, update(-9e4, -8e4), taken=-1e5)
    waits.started = at(-1e5)
    assert {"10 h", "20 h"} <= set(drawn(waits)[1]), "for a Worker, until now"


def test_of_a_long_conversation_the_last_turns_are_drawn() -> None:
    long = "temporalio.mcp.finance.list-tools-of-all"
    turns = [[update(n, n + 0.9), *(step(long, n, n + 0.9, "completed") for _ in range(9))] for n in range(6)]
    _, texts = drawn(execution("mine", 9, *(each for turn in turns for each in turn)))
    assert texts.count("update send_message") == 2
    assert "Shown: the last 2 of 6 updates, from 4 s after the start." in texts
    assert texts.count(f"activity {long}") == 18
