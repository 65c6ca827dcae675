"""What a model sends never spoils a conversation: the next message is answered, by the strictest provider.

``tests/chaos/test_model_answers.py`` makes thousands of such answers.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from demo_talks import Handle
from guarded import REFUSED, SECRET, Approving, Buggy, Handing, Leaking
from scripted import Scripted, scripted
from starlette.responses import RedirectResponse, Response
from strict_provider import FINE, said
from temporalio.client import Client
from waits import until

from workshop_lib.agents.conversation import Conversation
from workshop_lib.demos import local
from workshop_lib.workshop import Workshop

HALF = "\ud83d"  # of a pair of surrogates
THOUGHTS = {
    "reasoning_content": "Hm.",
    "thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": "abc"}],
    "provider_specific_fields": {"seal": "7"},
}


@pytest.fixture(scope="module", params=[1, 2])
async def demo(ws: Workshop, request: pytest.FixtureRequest) -> AsyncIterator[Scripted]:
    """Both ways to reach a model: our own loop, and that of the OpenAI Agents SDK."""
    more = [Buggy] if request.param == 1 else [Approving, Leaking, Handing]
    async with scripted(ws, request.param, *more) as made:
        yield made


@pytest.fixture
async def handle(demo: Scripted, request: pytest.FixtureRequest) -> AsyncIterator[Handle]:
    """A conversation, with the demo's agent or another one; after the test, it goes on."""
    agent = getattr(request, "param", None)
    if agent and agent not in demo.workflows:
        pytest.skip("this agent belongs to the other demo")
    demo.provider.refused.clear()
    made = await demo.begin(agent)
    yield made
    if agent is not Buggy:
        await demo.goes_on(made)
    await made.terminate()


def full(*values: Any, name: str) -> Any:
    return pytest.param(*values, id=name, marks=pytest.mark.full)


def quick(*values: Any, name: str) -> Any:
    return pytest.param(*values, id=name)


def sums(count: int) -> list[tuple[str, str]]:
    return [("calculator", json.dumps({"expression": f"{number} + 1"})) for number in range(count)]


WRONG = "Invalid arguments for calculator"
CALLS = [
    quick([("calculator", '{"expression": "1 + ')], f"{WRONG}: they are not valid JSON", name="cut arguments"),
    full([("calculator", "null")], f"{WRONG}: they are not a JSON object", name="null"),
    full([("calculator", '{"expression": 1e999}')], f"{WRONG}: they are not valid JSON", name="infinite"),
    full([("calculator", '{"expression": "\\ud83d"}')], "\ufffd", name="half, escaped"),
    full([("calculator", '{"expression": "1", "colour": "blue"}')], f"{WRONG}", name="an unknown field"),
    quick([(*each, "call_0") for each in sums(2)], "2", name="the same id twice"),
    quick([("x" * 70, "{}")], "Unknown tool", name="a long name"),
    quick([("functions.calculator", '{"expression": "1 + 1"}')], "Unknown tool 'functions_calc", name="a prefix"),
    full([("get ip", '{"host": "web-1"}')], "Unknown tool 'get_ip_unknown'", name="a name with a space"),
    full([{"id": "1", "type": "custom", "custom": {"name": "x", "input": "y"}}], "Unknown tool", name="a custom call"),
]


@pytest.mark.parametrize(("calls", "result"), CALLS)
async def test_a_call_is_answered_and_remembered_as_every_provider_takes_it(
    demo: Scripted, handle: Handle, calls: list[Any], result: str
) -> None:
    for _ in range(2):  # a server whose ids begin at call_0 in each answer
        reply, lines = await demo.say(handle, "Please.", said(calls=calls))
        assert reply.text == FINE, demo.provider.refused
        assert [line.text for line in lines if line.kind == "result" and result in line.text]


async def test_what_a_provider_wants_back_with_a_call_is_kept(demo: Scripted, handle: Handle) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "calculator", "arguments": '{"expression": "1 + 1"}'}}
    seal = {"provider_specific_fields": {"thought_signature": "7"}, "extra_content": {"google": {"x": "y"}}}
    reply, _ = await demo.say(handle, "Please.", said(calls=[{**call, **seal}, *sums(1)], **THOUGHTS))
    assert (demo.provider.refused, reply.text) == ([], FINE)


async def test_more_calls_than_the_server_takes_at_once(demo: Scripted, handle: Handle) -> None:
    arguments: dict[str, Any] = {"host": "web-1"}
    calls = [("get_ip", json.dumps(arguments if demo.number == 1 else {"input": arguments}))] * 40
    reply, lines = await demo.say(handle, "Please.", said(calls=calls))
    assert (demo.provider.refused, reply.text) == ([], FINE)
    assert ["192.0.2.11" in line.text for line in lines if line.kind == "result"] == [True] * 20
    assert "Of my 40 tool calls, the first 20 are made" in demo.provider.asked[-1][-21]["content"]


TEXTS = [
    quick(said(" \n\t "), "I have no answer to that.", name="blank"),
    full(said(None, refusal="I will not do that."), "I will not do that.", name="a refusal"),
    quick(said(f"Good {HALF}!"), "Good \ufffd!", name="half a pair"),
]


@pytest.mark.parametrize(("answer", "text"), TEXTS)
async def test_a_text(demo: Scripted, handle: Handle, answer: dict[str, Any], text: str) -> None:
    reply, _ = await demo.say(handle, "Please.", answer)
    assert (reply.text, reply.problem) == (text, "")


async def test_half_a_pair_in_a_message(demo: Scripted, handle: Handle) -> None:
    plain = await Client.connect(**await demo.ws.connection(local.NAMESPACE))  # the plugin's would not even send it
    reply, lines = await demo.say(plain.get_workflow_handle(handle.id), f"Good {HALF}!")
    assert (demo.provider.refused, reply.text, lines[0].text) == ([], FINE, "Good \ufffd!")


def status(code: int, body: str = '{"error": {"message": "No."}}') -> Any:
    return lambda: Response(body, code, media_type="application/json")


REFUSALS = [
    quick(status(403), "PermissionDeniedError", "(403)", 1, name="403"),
    quick(status(401), "AuthenticationError", "(401)", 1, name="401"),
    quick(status(422), "UnprocessableEntityError", "(422)", 1, name="422"),
    full(status(413), "RequestTooLargeError", "(413)", 1, name="413"),
    quick(lambda: Response("<html>", media_type="text/html"), "InternalServerError", "out of order", 3, name="HTML"),
    full(status(200, '{"choices": []}'), "IndexError", "order", 3, name="no choices"),
    full(lambda: said(calls=[("calculator", "x" * 1_500_000)]), "ValueError", "out of order", 3, name="1.5 MB call"),
    quick(status(200, f"[{json.dumps({HALF: 1})}]"), "InternalServerError", "order", 3, name="half a pair in an error"),
    full(lambda: RedirectResponse("/v1/chat/completions"), "RedirectError", "another address", 1, name="a redirect"),
]


@pytest.mark.parametrize(("answer", "problem", "text", "tries"), REFUSALS)
async def test_what_cannot_get_better_is_said_soon(
    demo: Scripted, handle: Handle, answer: Any, problem: str, text: str, tries: int
) -> None:
    before = len(demo.provider.asked)
    reply, _ = await demo.say(handle, "Please.", *(answer() for _ in range(20)))
    assert (reply.problem, text in reply.text, len(demo.provider.asked) - before) == (problem, True, tries), reply


@pytest.mark.full
async def test_long_answers_do_not_fill_what_the_server_takes(demo: Scripted, handle: Handle) -> None:
    long = json.dumps({"expression": "1 + 1", "colour": "x" * 95_000})
    for _ in range(3):
        reply, _ = await demo.say(handle, "Please.", *(said(calls=[("calculator", long)]) for _ in range(9)))
        assert "I stopped" in reply.text
    assert len(await handle.query(Conversation.transcript))


@pytest.mark.parametrize("handle", [Approving], indirect=True)
@pytest.mark.parametrize(
    ("yes", "result"), [(True, "Sent 5.0."), pytest.param(False, "refused by a person", marks=pytest.mark.full)]
)
async def test_a_tool_that_needs_an_approval_asks_in_the_conversation(
    demo: Scripted, handle: Handle, yes: bool, result: str
) -> None:
    calls = [("wire_money", '{"amount": 5}'), ("weather", '{"city": "Oslo"}')]
    sent = asyncio.create_task(demo.say(handle, "Please.", said(calls=calls)))

    async def approval() -> Any:
        return [line for line in await handle.query(Conversation.transcript) if line.kind == "approval"]

    (asked,) = await until(approval)
    assert 'wire_money with {"amount": 5}' in asked.text
    await handle.execute_update(Conversation.decide, args=[asked.number, yes])
    reply, lines = await sent
    assert (demo.provider.refused, reply.text) == ([], FINE)
    results = [message["content"] for message in demo.provider.asked[-1] if message["role"] == "tool"]
    assert [result in text for text in results].count(True) == 1, results
    assert [line.tool for line in lines if line.kind == "result"].count("weather") == 1, "what needs none is done once"


@pytest.mark.parametrize("handle", [Handing], indirect=True)
async def test_a_handoffs_agents_are_all_alike(demo: Scripted, handle: Handle) -> None:
    calls = [
        [("transfer_to_second", "")],
        [("weather", '{"city": "Oslo",')],
        [("weather", '{"city": "Oslo", "colour": "blue"}')],
        [("transfer_to_third", "null")],
        [("calculator", '{"expression": "1 +')],
        [("transfer_to_first", "{}")],
    ]
    reply, lines = await demo.say(handle, "Please.", *(said(calls=each) for each in calls))
    assert (demo.provider.refused, reply.text) == ([], FINE)
    assert [line.tool for line in lines if line.kind == "result"] == [each[0][0] for each in calls]
    wrong = [line.text for line in lines if line.text.startswith("Invalid arguments")]
    assert ["pydantic" in text for text in wrong] == [False] * 3


@pytest.mark.parametrize("handle", [Leaking], indirect=True)
async def test_a_secret_that_a_guardrail_stops_goes_nowhere(demo: Scripted, handle: Handle) -> None:
    reply, lines = await demo.say(handle, "Please.", said(calls=[("open_vault", "{}")]), said(f"It is {SECRET}."))
    assert (reply.text, reply.problem) == (REFUSED, "Refused")
    assert SECRET not in str(lines)
    await demo.goes_on(handle)
    assert SECRET not in str(demo.provider.asked[-1])


@pytest.mark.parametrize("handle", [Buggy], indirect=True)
async def test_a_turn_ends_in_a_message_for_the_user_whatever_is_raised(demo: Scripted, handle: Handle) -> None:
    reply, _ = await demo.say(handle, "nothing")
    assert reply.problem == "ZeroDivisionError"
    assert reply.text == "I could not answer that. ZeroDivisionError: division by zero"
    reply, _ = await demo.say(handle, "four")
    assert (reply.text, reply.problem) == ("0.25", "")
