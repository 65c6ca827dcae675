"""What the four demos promise, whichever way their agent is made and gets its tools: one suite for all of them."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from demo_talks import MODEL_SECONDS, Demo, Handle, ask, calls, goes_on, greets, run_team, said, team_calls
from nexusrpc import HandlerError, HandlerErrorType
from runs import lengths
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import CancelledError, is_cancelled_exception
from temporalio.worker import ExecuteNexusOperationStartInput, Interceptor, NexusOperationInboundInterceptor, Worker
from waits import until

from workshop_lib.agents.conversation import Conversation
from workshop_lib.agents.discovery import MORE_TOOLS
from workshop_lib.agents.openai_agents import AgentConversation, plugin
from workshop_lib.demos import computers, local
from workshop_lib.workshop import Workshop

NUMBERS = [1, 2, *(pytest.param(number, marks=pytest.mark.full) for number in (3, 4))]
LONG = 15.0  # seconds for a tool: beyond the limits that HTTP clients have
ALWAYS = 1000
ACCEPTED = WorkflowUpdateStage.ACCEPTED
STOCK = "What's the stock price of ACME?"
PRICE = "120.6"  # what the exchange asks, and Finance's fee
DOWN = ("did not answer in time", "Failed to connect to MCP server 'finance-mcp'", "There was no answer in time")
WRONG = ("Invalid arguments for", "Unknown tool", "Error executing tool stock_price: 1 validation error")
PARTS = [pytest.param(part, marks=pytest.mark.full) for part in ("Worker", "server")]  # of demo 3's computer
WEATHER = "What's the weather in Oslo?"


@pytest.fixture(scope="module", params=NUMBERS)
async def demo(ws: Workshop, with_model: None, request: pytest.FixtureRequest) -> AsyncIterator[Demo]:
    """Each demo in turn: a process can have one Worker with the OpenAI Agents SDK's plugin at a time."""
    module = computers.demo(request.param)
    settings: dict[str, Any] = {**module.WORKER, "activity_executor": ThreadPoolExecutor(20)}
    options: dict[str, Any] = {}
    if issubclass(module.AGENT, AgentConversation):  # the limit of an answer is the plugin's, for all of them
        reached = {name: module.over_http(f"{name}-mcp") for name in ("it", "finance") if hasattr(module, "over_http")}
        options = {"plugins": [plugin(MODEL_SECONDS, reached)]}
    client = await Client.connect(**await ws.connection(local.NAMESPACE, **options))
    ws.run(Worker, client, **settings)
    made = Demo(ws, module, client)
    for name in ("it", "finance"):
        await run_team(made, name)
    yield made
    await ws.stop(*ws.workers)
    await asyncio.gather(*(server.stop() for server in made.servers.values()))


@pytest.fixture
async def handle(demo: Demo) -> Handle:
    return await demo.begin()


@asynccontextmanager
async def without_finance(demo: Demo, gone: str = "computer") -> AsyncIterator[None]:
    """Finance's computer is off while this lasts, or one of the two that it runs: its Worker and its MCP server."""
    place = (demo.ws.namespace("finance"), "finance")
    if gone != "server":
        await demo.ws.stop(*(each for each in demo.ws.workers if place in {polled[:2] for polled in each.polls}))
    if gone != "Worker" and demo.over_mcp:
        demo.servers["finance-mcp"].kill()
    try:
        yield
    finally:
        await run_team(demo, "finance")


async def test_messages_at_once_have_their_own_answers_in_order(handle: Handle) -> None:
    sums = [f"What is {number} * 11?" for number in range(2, 10)]
    started = [await handle.start_update(Conversation.send_message, text, wait_for_stage=ACCEPTED) for text in sums]
    replies = await asyncio.gather(*(update.result() for update in started))
    assert [str(number * 11) in reply.text for number, reply in enumerate(replies, 2)] == [True] * 8
    told = await handle.query(Conversation.transcript)
    assert [entry.text for entry in told if entry.kind == "user"] == sums
    assert [entry.kind for entry in told] == ["user", "call", "result", "agent"] * 8, "one after another"


async def test_the_conversation_is_remembered_and_stays_small(demo: Demo) -> None:
    handle = await demo.begin(memory_tokens=300, most_events=80)
    bills = demo.ws.ledger.count("model call")
    texts = ["My name is Ann, and I live in Oslo.", STOCK, *(f"What is {number} * 2?" for number in range(16))]
    for text in texts:
        assert (await ask(handle, text)).problem == ""
    assert "Ann" in (await ask(handle, "What's my name?")).text
    used = [entry.details["tokens"] for entry in demo.ws.ledger.entries("model call")[bills:]]
    assert max(used) < used[0] + 300 + 300, "the memory, and the first turn with what this turn has"
    runs = await lengths(demo.client, handle.id)
    assert len(runs) >= 3
    assert max(runs) < 80 + 40
    assert [entry.text for entry in await said(handle, "user")] == [*texts, "What's my name?"]
    await handle.signal(Conversation.end_chat)
    assert await demo.client.get_workflow_handle(handle.id).result() == len(texts) + 1


async def test_what_a_tool_said_is_remembered_also_by_the_next_execution(demo: Demo) -> None:
    handle = await demo.begin(most_events=10)
    assert PRICE in (await ask(handle, STOCK)).text
    assert PRICE in (await ask(handle, "What was the stock price of ACME again?")).text
    assert len(await said(handle, "call")) == 1, "it is not asked for again"
    assert len(await lengths(demo.client, handle.id)) >= 2


MISTAKES = ["invents_tool", "garbles_arguments", "forgets_arguments", "invents_field", "mistypes_field"]


async def test_the_models_mistakes_are_its_own_to_repair(demo: Demo, handle: Handle) -> None:
    for mistake in MISTAKES:
        with demo.ws.fault(f"model.{mistake}") as fault:
            reply = await ask(handle, STOCK if mistake != "mistypes_field" else WEATHER)
        right = PRICE if mistake != "mistypes_field" else "-4"
        assert (reply.problem, fault.fired, right in reply.text) == ("", 1, True), (mistake, reply)
        wrong, mended = (await said(handle, "result"))[-2:]
        assert wrong.text.startswith(WRONG), mistake
        assert right in mended.text
    calls, results = await said(handle, "call"), await said(handle, "result")
    assert [result.of for result in results] == [call.number for call in calls]
    await goes_on(handle)


@pytest.mark.full
@pytest.mark.parametrize(
    ("fault", "seconds", "problem"),
    [
        ("answers_503", 1.0, "ServiceUnavailableError"),
        ("answers_429", 3600.0, "RateLimitError"),
        ("answers_nonsense", 1.0, "InternalServerError"),
        ("delays", 60.0, "TimeoutError"),
    ],
)
async def test_a_model_that_stays_down_ends_in_a_message_for_the_user(
    demo: Demo, handle: Handle, fault: str, seconds: float, problem: str
) -> None:
    with demo.ws.fault(f"model.{fault}", times=ALWAYS, seconds=seconds) as failing:
        reply = await ask(handle, STOCK)
    assert reply.problem == problem
    assert reply.text.startswith("I could not answer that. ")
    # A hang fills the time, and one who asks for an hour is not asked again.
    assert (failing.fired > 1) == (seconds == 1.0)
    await goes_on(handle)


@pytest.mark.full
async def test_what_a_tool_said_before_the_model_failed_is_shown(demo: Demo, handle: Handle) -> None:
    with demo.ws.fault("model.answers_401", times=ALWAYS, skip=1):
        reply = await ask(handle, STOCK)
    assert reply.problem == "AuthenticationError"
    assert reply.text.startswith("I could not finish that. ")
    assert PRICE in reply.text
    await goes_on(handle)


@pytest.mark.full
async def test_a_tool_may_take_longer_than_a_person_waits(demo: Demo, handle: Handle) -> None:
    quotes = demo.ws.ledger.count("quote", ticker="HOOLI")
    with demo.ws.fault("read_quote.is_slow", seconds=LONG) as fault:
        asked = asyncio.create_task(ask(handle, "What's the stock price of HOOLI?"))
        await until(lambda: fault.fired)
        reply = await asked
    assert (reply.problem, "311.75" in reply.text, fault.fired) == ("", True, 1)
    assert [step.attempts for step in await team_calls(handle)] == [1]
    assert demo.ws.ledger.count("quote", ticker="HOOLI") == quotes + 1


@pytest.mark.parametrize("gone", ["computer", *PARTS])
async def test_while_finance_is_down_only_finance_is(demo: Demo, gone: str) -> None:
    if gone != "computer" and not demo.over_mcp:
        pytest.skip("Finance has one program")
    impatient, patient, other = await demo.begin(tool_seconds=2), await demo.begin(), await demo.begin()
    assert PRICE in (await ask(patient, STOCK)).text
    unheard = demo.discovers and gone != "Worker"  # what Finance has, a new conversation cannot know
    async with without_finance(demo, gone):
        await asyncio.gather(greets(impatient), greets(patient), greets(other))
        waits = asyncio.create_task(ask(patient, "What's the stock price of PIED?"))
        failed = await ask(impatient, STOCK)
        assert (failed.problem, any(words in failed.text for words in DOWN)) == ("", True), failed
        assert ("I could not ask finance for its tools." in failed.text) == unheard
        await greets(impatient)
        assert "192.0.2.11" in (await ask(other, "What's the IP address of web-1?")).text
        if unheard and not demo.over_mcp:  # it waits for Finance, as an agent does that knows the tool
            asks = asyncio.create_task(ask(other, STOCK))
            await calls(other, MORE_TOOLS)
            assert not asks.done()
        elif unheard:
            assert "I could not ask finance for its tools. Failed to connect" in (await ask(other, STOCK)).text
        assert not waits.done()
    assert "77.38" in (await waits).text
    assert len(await team_calls(patient)) == 2
    if unheard and not demo.over_mcp:
        assert PRICE in (await asks).text
    assert PRICE in (await ask(other, STOCK)).text


class LosesAnswer(Interceptor):
    """The first answer to a start of ``stock_price`` gets lost: the call was taken, and the caller does not know."""

    starts = 0

    def intercept_nexus_operation(self, next: NexusOperationInboundInterceptor) -> NexusOperationInboundInterceptor:
        start = next.execute_nexus_operation_start

        async def losing(input: ExecuteNexusOperationStartInput) -> Any:
            result = await start(input)
            if input.ctx.operation == "stock_price":
                self.starts += 1
                if self.starts == 1:
                    raise HandlerError("the answer got lost", type=HandlerErrorType.UNAVAILABLE)
            return result

        next.execute_nexus_operation_start = losing  # type: ignore[method-assign]
        return next


@pytest.mark.full
async def test_a_call_that_is_made_twice_is_done_once(demo: Demo, handle: Handle) -> None:
    if demo.over_mcp:
        pytest.skip("it is done twice, as test_measure.py shows")
    quotes, forgetful = demo.ws.ledger.count("quote", ticker="PIED"), LosesAnswer()
    await run_team(demo, "finance", forgetful)
    try:
        with demo.ws.fault("read_quote.is_slow", seconds=4):  # still under way when the second call comes
            reply = await ask(handle, "What's the stock price of PIED?")
    finally:
        await run_team(demo, "finance")
    assert (forgetful.starts, reply.problem, "77.38" in reply.text) == (2, "", True), reply
    assert demo.ws.ledger.count("quote", ticker="PIED") == quotes + 1


@pytest.mark.full
async def test_tools_of_several_teams_are_used_at_once(demo: Demo, handle: Handle) -> None:
    asked = "What's the stock price of ACME, the IP address of web-2, and the Jira metrics of SHOP?"
    reply = await ask(handle, asked)
    assert [part in reply.text for part in (PRICE, "192.0.2.12", "open 12")] == [True] * 3
    steps = await team_calls(handle)
    assert max(step.scheduled for step in steps) < min(step.closed for step in steps if step.closed), "at once"
    assert len(steps) == 3


@pytest.mark.full
@pytest.mark.parametrize("slow", ["model.delays", "read_quote.is_slow", "weather.is_slow"])
async def test_a_cancelled_conversation_ends_as_cancelled(demo: Demo, handle: Handle, slow: str) -> None:
    with demo.ws.fault(slow, seconds=3) as fault:
        asked = asyncio.create_task(ask(handle, WEATHER if slow.startswith("weather") else STOCK))
        await until(lambda: fault.fired)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        with pytest.raises(WorkflowUpdateFailedError) as unanswered:
            await asked
    assert isinstance(failed.value.cause, CancelledError)
    assert is_cancelled_exception(unanswered.value.cause)
    assert await said(handle, "agent") == [], "nobody is answered"
    behind = [call.status for step in await team_calls(handle, lambda _: True) for call in step.calls]
    if not demo.by_sdk:  # which does not wait for the tools that it cancels, so Finance may never hear of it
        assert behind == (["canceled"] if slow.startswith("read_quote") else []), "nor does a team work for nobody"


@pytest.mark.full
async def test_a_turn_without_an_end_is_ended(demo: Demo, handle: Handle) -> None:
    steps = [f"what is {number} * 3?" for number in range(1, 13)]
    bills = demo.ws.ledger.count("model call")
    reply = await ask(handle, " Then ".join(steps))
    assert demo.ws.ledger.count("model call") == bills + 10
    assert reply.text.startswith("I stopped after 10 rounds without an answer.")
    if demo.by_sdk:
        assert "27" in reply.text, "what was done is told"
    await goes_on(handle)
