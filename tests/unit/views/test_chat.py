"""How a conversation is written down, and that nothing in it runs."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from temporalio.client import WorkflowExecutionStatus

from workshop_lib.agents.conversation import Line
from workshop_lib.views.chat.chat import Chatter
from workshop_lib.views.chat.transcript import written

TALK = [
    Line(1, "user", "12*3?"),
    Line(2, "call", '{"expression": "12*3"}', "calculator"),
    Line(3, "result", "36.0", "calculator", 2),
    Line(4, "agent", "It is 36."),
]


def plain(markup: str) -> str:
    return re.sub("<[^>]*>", "", markup)


def test_a_conversation_reads_from_top_to_bottom() -> None:
    markup, text = written(TALK)
    assert text == "You: 12*3?\n  calculator(expression='12*3') → 36.0\nAgent: It is 36."
    assert plain(markup) == "You: 12*3?calculator(expression=&#x27;12*3&#x27;) → 36.0Agent: It is 36."
    assert written([])[1] == "Nothing to show yet."


def test_results_and_decisions_stand_with_their_own_calls_and_questions() -> None:
    asked, decided = Line(7, "approval", "Pay 30 dollars?"), Line(8, "decision", "yes", of=7)
    assert written([asked])[1] == "  Approval: Pay 30 dollars? → waits for a decision"
    assert written([asked, decided])[1] == "  Approval: Pay 30 dollars? → approved"
    assert written(TALK[:2])[1].endswith("calculator(expression='12*3') → …")
    assert written(TALK[:2], ended=True)[1].endswith("→ no result")
    calls = [Line(1, "call", "{}", "a"), Line(2, "call", "", "b")]
    results = [Line(3, "result", "of b", "b", 2), Line(4, "result", "of a", "a", 1)]
    assert written(calls + results)[1] == "  a() → of a\n  b() → of b"
    assert written(results)[1] == "  b → of b\n  a → of a", "their calls are forgotten"
    assert written([Line(1, "call", "[" * 100_000, "now")])[1].startswith("  now([[["), "a model may send anything"


def test_a_long_result_is_folded() -> None:
    long = "<b>" * 100
    markup, text = written([Line(1, "call", "{}", "read"), Line(2, "result", long, "read", 1)])
    assert "<details>" in markup
    assert long.replace("<", "&lt;").replace(">", "&gt;") in markup
    assert text.endswith("… (300 characters)")
    assert "<details>" not in written([Line(1, "agent", long)])[0], "an answer is not"


@pytest.mark.parametrize(
    "text",
    [
        "</div></div><script>alert(1)</script><img src=x onerror=alert(1)>",
        '" onmouseover="alert(1)',
        "\x1b[2J\x1b]8;;javascript:alert(1)\x07here\x1b]8;;\x07\r\x9b31m\x7f",
        "abc\u202egpj.exe\u2066",
        "{}{0}%s{status}",
    ],
)
def test_hostile_text_is_only_text(text: str) -> None:
    entries = [
        Line(1, "user", text),
        Line(2, "call", text, text),
        Line(3, "result", text * 20, text, 2),
        Line(4, "approval", text),
        Line(6, "result", text, text, 99),
        Line(7, "agent", text),
    ]
    markup, shown = written(entries, text, waiting=[text])
    tags = re.findall("<[^>]*>", markup)
    assert {re.sub(r"\W.*", "", tag.strip("</>")) for tag in tags} <= {"div", "b", "details", "summary"}
    assert set(re.findall(r' ([\w-]+)="', "".join(tags))) <= {"style", "role", "tabindex", "aria-label"}
    assert len([tag for tag in tags if tag.startswith("</")]) * 2 == len(tags)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", markup + shown)


async def test_a_chat_that_is_closed_while_it_asks_does_not_end_without_the_last_lines() -> None:
    asked = asyncio.Event()

    async def describe() -> SimpleNamespace:
        return SimpleNamespace(status=WorkflowExecutionStatus.COMPLETED)

    async def query(*_: object, **__: object) -> list[Line]:
        asked.set()
        return await asyncio.Future()

    view = Chatter(SimpleNamespace(id="mine", describe=describe, query=query))  # type: ignore[arg-type]
    looking = asyncio.create_task(view.look())
    await asked.wait()
    looking.cancel()
    await asyncio.wait([looking])
    assert not view.over
