"""What a model sends never spoils a conversation: the next message is answered, by the strictest provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from guarded import REFUSED, SECRET, Approving, Buggy, Handing, Leaking
from scripted import Scripted, scripted
from starlette.responses import RedirectResponse, Response
from strict_provider import FINE, said
from temporalio.client import Client

from workshop_lib.agents.conversation import Conversation
from workshop_lib.demos import local
from workshop_lib.workshop import Workshop

pytestmark = pytest.mark.anyio

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
    full([("calculator", "")], f"{WRONG}", name="empty arguments"),
    full([("calculator", '{"expression": NaN}')], f"{WRONG}: they are not valid JSON", name="not a number"),
    full([("calculator", '{"expression": 1e999}')], f"{WRONG}: they are not valid JSON", name="infinite"),
    full([("calculator", '{"expression": "\\ud83d"}')], "\ufffd", name="half, escaped"),
    full([("calculator", f'{{"expression": "{HALF}"}}')], "\ufffd", name="half a pair"),
    full([("calculator", '{"expression": "1", "colour": "blue"}')], f"{WRONG}", name="an unknown field"),
    quick([(*each, "call_0") for each in sums(2)], "2", name="the same id twice"),
    full([(*each, "") for each in sums(2)], "2", name="empty ids"),
    quick([("x" * 70, "{}")], "Unknown tool", name="a long name"),
    full([("calcu lator", "{}")], "Unknown tool", name="a name with a space"),
    full([("functions.calculator", "{}")], "Unknown tool", name="a prefix"),
    full([("", "{}")], "Unknown tool", name="no name"),
    full([{"id": "1", "type": "custom", "custom": {"name": "x", "input": "y"}}], "Unknown tool", name="a custom call"),
]


@pytest.mark.parametrize(("calls", "result"), CALLS)
async def test_a_call_is_answered_and_remembered_as_every_provider_takes_it(
    demo: Scripted, calls: list[Any], result: str
) -> None:
    handle = await demo.begin()
    for _ in range(2):  # a server whose ids begin at call_0 in each answer
        reply, lines = await demo.say(handle, "Please.", said(calls=calls))
        assert reply.text == FINE, demo.provider.refused
        assert [line.text for line in lines if line.kind == "result" and result in line.text]
        await demo.goes_on(handle)
    await handle.terminate()


async def test_what_a_provider_wants_back_with_a_call_is_kept(demo: Scripted) -> None:
    handle = await demo.begin()
    call = {"id": "1", "type": "function", "function": {"name": "calculator", "arguments": '{"expression": "1 + 1"}'}}
    seal = {"provider_specific_fields": {"thought_signature": "7"}, "extra_content": {"google": {"x": "y"}}}
    reply, _ = await demo.say(handle, "Please.", said(calls=[{**call, **seal}, *sums(1)], **THOUGHTS))
    assert (demo.provider.refused, reply.text) == ([], FINE)
    await demo.goes_on(handle)
    await handle.terminate()


async def test_more_calls_than_the_server_takes_at_once(demo: Scripted) -> None:
    handle = await demo.begin()
    arguments: dict[str, Any] = {"host": "web-1"}
    calls = [("get_ip", json.dumps(arguments if demo.number == 1 else {"input": arguments}))] * 40
    reply, lines = await demo.say(handle, "Please.", said(calls=calls))
    assert (demo.provider.refused, reply.text) == ([], FINE)
    results = [line.text for line in lines if line.kind == "result"]
    assert len(results) == 20
    assert all("192.0.2.11" in text for text in results), results
    assert "Of my 40 tool calls, the first 20 are made" in demo.provider.asked[-1][-21]["content"]
    await demo.goes_on(handle)
    await handle.terminate()


NO_ANSWER = "I have no answer to that."
TEXTS = [
    quick(said(" \n\t "), NO_ANSWER, name="blank"),
    full(said(None), NO_ANSWER, name="nothing"),
    full(said(None, refusal="I will not do that."), "I will not do that.", name="a refusal"),
    quick(said(f"Good {HALF}!"), "Good \ufffd!", name="half a pair"),
]


@pytest.mark.parametrize(("answer", "text"), TEXTS)
async def test_a_text(demo: Scripted, answer: dict[str, Any], text: str) -> None:
    handle = await demo.begin()
    reply, _ = await demo.say(handle, "Please.", answer)
    assert (reply.text, reply.problem) == (text, "")
    await demo.goes_on(handle)
    await handle.terminate()


async def test_half_a_pair_in_a_message(demo: Scripted) -> None:
    handle = await demo.begin()
    plain = await Client.connect(**await demo.ws.connection(local.NAMESPACE))  # the plugin's would not even send it
    reply, lines = await demo.say(plain.get_workflow_handle(handle.id), f"Good {HALF}!")
    assert (demo.provider.refused, reply.text, lines[0].text) == ([], FINE, "Good \ufffd!")
    await handle.terminate()


def status(code: int) -> Response:
    return Response('{"error": {"message": "No."}}', code, media_type="application/json")


JSON = "application/json"
REFUSALS = [
    quick(lambda: status(403), "PermissionDeniedError", "(403)", 1, name="403"),
    full(lambda: status(422), "UnprocessableEntityError", "(422)", 1, name="422"),
    quick(lambda: status(401), "AuthenticationError", "(401)", 1, name="401"),
    full(lambda: status(400), "BadRequestError", "(400)", 1, name="400"),
    full(lambda: status(404), "NotFoundError", "(404)", 1, name="404"),
    full(lambda: status(413), "RequestTooLargeError", "(413)", 1, name="413"),
    quick(lambda: Response("<html>", media_type="text/html"), "InternalServerError", "out of order", 3, name="HTML"),
    full(lambda: Response("null", media_type=JSON), "InternalServerError", "out of order", 3, name="null"),
    full(lambda: Response("{}", media_type=JSON), "InternalServerError", "out of order", 3, name="no choices"),
    full(lambda: Response('{"choices": []}', media_type=JSON), "IndexError", "out of order", 3, name="empty choices"),
    full(lambda: Response(b'{"\xe9": 1}', media_type=JSON), "InternalServerError", "out of order", 3, name="Latin-1"),
    full(lambda: said("x" * 1_500_000), "ValueError", "out of order", 3, name="1.5 MB"),
    full(lambda: said(calls=[("calculator", "x" * 1_500_000)]), "ValueError", "out of order", 3, name="1.5 MB call"),
    full(lambda: RedirectResponse("/v1/chat/completions"), "RedirectError", "another address", 1, name="a redirect"),
]


@pytest.mark.parametrize(("answer", "problem", "text", "tries"), REFUSALS)
async def test_what_cannot_get_better_is_said_soon(
    demo: Scripted, answer: Any, problem: str, text: str, tries: int
) -> None:
    handle = await demo.begin()
    before = len(demo.provider.asked)
    reply, _ = await demo.say(handle, "Please.", *(answer() for _ in range(20)))
    assert (reply.problem, text in reply.text, len(demo.provider.asked) - before) == (problem, True, tries), reply
    await demo.goes_on(handle)
    await handle.terminate()


@pytest.mark.full
async def test_long_answers_do_not_fill_what_the_server_takes(demo: Scripted) -> None:
    handle = await demo.begin()
    long = json.dumps({"expression": "1 + 1", "colour": "x" * 95_000})
    for _ in range(3):
        reply, _ = await demo.say(handle, "Please.", *(said(calls=[("calculator", long)]) for _ in range(9)))
        assert "I stopped" in reply.text
    await demo.goes_on(handle)
    assert len(await handle.query(Conversation.transcript))
    await handle.terminate()


def by_sdk(demo: Scripted) -> None:
    if demo.number == 1:
        pytest.skip("the SDK's loop only")


@pytest.mark.parametrize(
    ("yes", "result"), [(True, "Sent 5.0."), pytest.param(False, "refused by a person", marks=pytest.mark.full)]
)
async def test_a_tool_that_needs_an_approval_asks_in_the_conversation(demo: Scripted, yes: bool, result: str) -> None:
    by_sdk(demo)
    handle = await demo.begin(Approving)
    calls = [("wire_money", '{"amount": 5}'), ("weather", '{"city": "Oslo"}')]
    sent = asyncio.create_task(demo.say(handle, "Please.", said(calls=calls)))
    while not (asked := [line for line in await handle.query(Conversation.transcript) if line.kind == "approval"]):
        await asyncio.sleep(0.05)
        assert not sent.done(), sent.result()
    assert "wire_money" in asked[0].text
    assert '"amount": 5' in asked[0].text
    await handle.execute_update(Conversation.decide, args=[asked[0].number, yes])
    reply, lines = await sent
    assert (demo.provider.refused, reply.text) == ([], FINE)
    told = [message["content"] for message in demo.provider.asked[-1] if message["role"] == "tool"]
    assert len(told) == 2
    assert any(result in text for text in told), told
    assert [line.tool for line in lines if line.kind == "result"].count("weather") == 1, "what needs none is done once"
    await demo.goes_on(handle)
    await handle.terminate()


async def test_a_handoffs_agents_are_all_alike(demo: Scripted) -> None:
    by_sdk(demo)
    handle = await demo.begin(Handing)
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
    assert len(wrong) == 3
    assert not any("pydantic" in text for text in wrong)
    await demo.goes_on(handle)
    await handle.terminate()


async def test_a_secret_that_a_guardrail_stops_goes_nowhere(demo: Scripted) -> None:
    by_sdk(demo)
    handle = await demo.begin(Leaking)
    reply, lines = await demo.say(handle, "Please.", said(calls=[("open_vault", "{}")]), said(f"It is {SECRET}."))
    assert (reply.text, reply.problem) == (REFUSED, "Refused")
    assert SECRET not in str(lines)
    await demo.goes_on(handle)
    assert SECRET not in str(demo.provider.asked[-1])
    await handle.terminate()


async def test_a_turn_ends_in_a_sentence_whatever_is_raised(demo: Scripted) -> None:
    if demo.number == 2:
        pytest.skip("one of them is enough")
    handle = await demo.begin(Buggy)
    reply, _ = await demo.say(handle, "nothing")
    assert reply.problem == "ZeroDivisionError"
    assert reply.text == "I could not answer that. ZeroDivisionError: division by zero"
    reply, _ = await demo.say(handle, "four")
    assert (reply.text, reply.problem) == ("0.25", "")
    await handle.terminate()
