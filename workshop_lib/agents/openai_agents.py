"""A conversation on the OpenAI Agents SDK and its Temporal plugin. Demos 2 to 4 share it.

The SDK runs the loop. This module adds what the SDK leaves to its users: mistakes of the model and failures of tools go
back to the model, errors of a provider become messages for the user, and turns are remembered.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache, lru_cache
from itertools import takewhile
from typing import Any

import agents as sdk
from agents.items import ToolApprovalItem, TResponseOutputItem
from agents.mcp import MCPServer
from agents.models.chatcmpl_converter import Converter
from agents.run_config import CallModelData, ModelInputData
from agents.tool_context import ToolContext
from nexusrpc import Operation
from openai import omit
from openai.types.chat import ChatCompletionMessage
from openai.types.responses import ResponseFunctionToolCall
from pydantic import ValidationError
from temporalio.exceptions import FailureError
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin
from temporalio.openai_agents.workflow import activity_as_tool, nexus_operation_as_tool

from workshop_lib.agents.conversation import LONGEST_TURN, SORRY, Answer, Conversation, Line, Message, tokens
from workshop_lib.agents.loop import LONGEST_RESULT, MOST_ROUNDS, TOO_MUCH, summary
from workshop_lib.agents.model import settings
from workshop_lib.agents.model.calls import complete, limits
from workshop_lib.agents.model.messages import json_object
from workshop_lib.cells.quiet import quieten_litellm
from workshop_lib.evidence.failures import cancelled, invalid_fields, kind, reason
from workshop_lib.evidence.messages import shortened, valid_text
from workshop_lib.workers import takeover

quieten_litellm()
from agents.extensions.models.litellm_model import LitellmModel  # noqa: E402


@cache
def activity_tool(function: Callable[..., Any], limit: timedelta) -> sdk.Tool:
    """An activity as a tool, made once.

    To read its docstring, the SDK takes the lock of ``logging``, and pydantic makes a class. Where that would happen in
    each turn, a busy machine could interrupt a workflow's thread just then, and the Worker would hang.

    Args:
        function: The activity.
        limit: How long one use may take, including retries.
    """
    return activity_as_tool(function, **takeover.limits(limit))


def operation_tool(operation: Operation[Any, Any], service: type, endpoint: str, limit: timedelta) -> sdk.Tool:
    """A Nexus operation as a tool, made once, for the same reason.

    Args:
        operation: One of the contract. The docstring of its input type is the tool's description.
        service: The contract.
        endpoint: The endpoint's name.
        limit: How long it may take, including retries.
    """
    assert operation.method_name is not None, "it is not of a contract"
    return new_operation_tool(service, operation.method_name, endpoint, limit)


@lru_cache(maxsize=100)  # a contract that is not passed through the sandbox is another one in each Workflow
def new_operation_tool(service: type, name: str, endpoint: str, limit: timedelta) -> sdk.Tool:
    """A Nexus operation as a tool. See ``operation_tool``, which finds its name."""
    operation = getattr(service, name)
    made = nexus_operation_as_tool(operation, service=service, endpoint=endpoint, schedule_to_close_timeout=limit)
    assert isinstance(made, sdk.FunctionTool), made
    assert operation.input_type is not None, f"{name} has no input"
    return replace(made, description=summary(operation.input_type))  # which the plugin leaves empty


class LiteLlm(sdk.ModelProvider):
    """Reaches every model through LiteLLM, as ``workshop_lib.agents.model`` does.

    Args:
        seconds: How long one answer may take, including retries.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_model(self, model_name: str | None) -> sdk.Model:
        """See base class.

        Args:
            model_name: See ``Chat.model``.
        """
        return LiteLlmModel(settings.model(model_name or ""), self._seconds)


class LiteLlmModel(LitellmModel):
    """A model that is called as in demo 1: any provider accepts its answers again, and its errors are for the user.

    Args:
        arguments: Arguments of ``litellm.acompletion``, from ``workshop_lib.agents.model.settings.model``.
        seconds: See ``LiteLlm``.
    """

    def __init__(self, arguments: dict[str, Any], seconds: float) -> None:
        super().__init__(arguments["model"], arguments.get("api_base"), arguments.get("api_key"))
        self._arguments, self._seconds = arguments, seconds  # and no retries besides Temporal's

    async def get_response(self, *_: Any, **asked: Any) -> sdk.ModelResponse:
        """See base class. The SDK and the plugin name all arguments."""
        messages = _with_extras(asked["input"])
        if asked["system_instructions"]:
            messages.insert(0, {"role": "system", "content": asked["system_instructions"]})
        wanted: sdk.ModelSettings = asked["model_settings"]
        tools = [*map(Converter.tool_to_openai, asked["tools"])]
        tools += map(Converter.convert_handoff_tool, asked["handoffs"])
        given = {name: value for name, value in vars(wanted).items() if name in _SETTINGS} | {
            "tools": tools or None,
            "tool_choice": Converter.convert_tool_choice(wanted.tool_choice),
            "parallel_tool_calls": wanted.parallel_tool_calls if tools else None,
            "response_format": Converter.convert_response_format(asked["output_schema"]),
            "reasoning_effort": wanted.reasoning and wanted.reasoning.effort,
            **(wanted.extra_args or {}),
        }
        given = {name: value for name, value in given.items() if value is not None and value is not omit}
        said, used = await complete(messages, self._seconds, **self._arguments, **given)
        usage = sdk.Usage(1, used.prompt_tokens, output_tokens=used.completion_tokens, total_tokens=used.total_tokens)
        return sdk.ModelResponse(_items(said), usage, response_id=None)


_SETTINGS = {"temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty", "extra_headers"}


def _items(said: Message) -> list[TResponseOutputItem]:
    """A message as items of the SDK. They have no field for what some providers want back with a call: we keep that."""
    calls, content = said.pop("tool_calls", []), said.pop("content")
    items = Converter.message_to_output_items(ChatCompletionMessage(role="assistant", content=content))
    for call in calls:
        item = {"type": "function_call", "call_id": call["id"], **call.pop("function")}
        kept = {"provider_data": {"call": call, "message": said}}
        items.append(ResponseFunctionToolCall.model_validate(item | kept))
    return items


def _with_extras(items: list[Any]) -> list[Any]:
    """The inverse of ``_items``, for a whole conversation."""
    messages: list[Any] = Converter.items_to_messages(items)
    kept = {item["call_id"]: item["provider_data"] for item in items if "provider_data" in item}
    for message in messages:
        for call in message.get("tool_calls") or []:
            if extras := kept.get(call["id"]):
                call.update(extras["call"])
                message.update(extras["message"])
    return messages


def plugin(
    model_seconds: float = 40.0, mcp_servers: Mapping[str, Callable[..., MCPServer]] | None = None
) -> OpenAIAgentsPlugin:
    """Make the plugin for the orchestrator's client.

    Use one in a process: it sets the SDK's default runner, which all Workers of the process share.

    Args:
        model_seconds: How long one answer of the model may take, including retries. All conversations of a Worker share
            it: ``Chat.model_seconds`` has no effect here.
        mcp_servers: How the Worker reaches each MCP server that an agent names in ``temporal_mcp_server``: a function
            of its ``factory_argument``, which is the number of seconds to wait for an answer.
    """
    return OpenAIAgentsPlugin(
        model_params=ModelActivityParameters(**limits(model_seconds)),
        model_provider=LiteLlm(model_seconds),
        add_temporal_spans=False,
        mcp_servers=mcp_servers,
    )


class AgentConversation(Conversation):
    """The base of a workflow class whose agent is one of the OpenAI Agents SDK."""

    _known: Sequence[str] = ()  # tools in this turn

    @abstractmethod
    def agent(self) -> sdk.Agent[None]:
        """The agent that answers the next message."""

    async def ready(self) -> sdk.Agent[None]:
        """The agent with its tools for this turn. A subclass whose tools change looks for them here."""
        return self.agent()

    def completed(self, agent: sdk.Agent[None]) -> sdk.Agent[None]:
        """Complete the agent of this turn with what ``ready``, which an author may override, does not decide.

        Args:
            agent: The agent from ``ready``.
        """
        return agent

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        made: dict[int, sdk.Agent[None]] = {}
        agent = self._noting(self.completed(await self.ready()), made)
        self._known = [tool.name for each in made.values() for tool in each.tools]
        try:
            run = await self._run(agent, messages)
        except sdk.MaxTurnsExceeded:
            return self._gave_up(f"I stopped after {MOST_ROUNDS} rounds without an answer.")
        except sdk.AgentsException as error:
            output = getattr(getattr(error, "guardrail_result", error), "output", None)  # a guardrail's
            if output is not None:
                return self._refused(output)
            return self._gave_up(f"{SORRY} {reason(error)}", type(error).__name__)
        except FailureError as error:
            if cancelled(error) or not self._results():
                raise
            return self._gave_up(f"I could not finish that. {reason(error)}", kind(error))
        text = str(run.final_output or "I have no answer to that.")
        said = [each.to_input_item() for each in run.new_items if not isinstance(each, ToolApprovalItem)]
        return Answer(text, list(map(dict, said)))

    async def _run(self, agent: sdk.Agent[None], messages: list[Message]) -> sdk.RunResult:
        """Let the SDK answer. Ask a person where a tool needs approval."""

        def bounded(asked: CallModelData[None]) -> ModelInputData:  # as `loop.answer` is
            if tokens(asked.model_data.input[len(messages) :]) > LONGEST_TURN:
                raise sdk.AgentsException(TOO_MUCH)
            return asked.model_data

        config = sdk.RunConfig(
            tool_not_found_behavior="return_error_to_model",
            tool_error_formatter=self._unknown_tool,
            call_model_input_filter=bounded,
            tracing_disabled=True,
        )
        given: Any = messages
        while True:
            run = await sdk.Runner.run(agent, given, max_turns=MOST_ROUNDS, run_config=config)
            if not run.interruptions:
                return run
            given = run.to_state()
            for asked in run.interruptions:
                if await self.approved(f"Use {asked.name} with {asked.arguments}?"):
                    given.approve(asked)
                else:
                    given.reject(asked, rejection_message=f"Error: {asked.name} was refused by a person.")

    def _refused(self, output: Any) -> Answer:
        """A guardrail's own words. Neither the user nor the model in the next turn sees what it stopped."""
        for line in self._results():
            self.chat.entries[self.chat.entries.index(line)] = replace(line, text="(withheld)")
        return Answer(str(output.output_info or "I may not answer that."), [], "Refused", remembered=False)

    def _gave_up(self, text: str, problem: str = "") -> Answer:
        # The user must learn what was done, and not ask for it again.
        if done := " ".join(line.text for line in self._results()):
            text += f" Before that, my tools said: {shortened(done, 2 * LONGEST_RESULT)}"
        return Answer(text, [{"role": "assistant", "content": text}], problem)

    def _results(self) -> list[Line]:
        """The results of tools since the user's message, the latest first."""
        latest = takewhile(lambda line: line.kind != "user", reversed(self.chat.entries))
        return [line for line in latest if line.kind == "result"]

    def _noting(self, agent: sdk.Agent[None], made: dict[int, sdk.Agent[None]]) -> sdk.Agent[None]:
        """Make an agent, and all that it hands over to, note the use of tools and turn failures into results.

        Args:
            agent: The agent that the author wrote.
            made: Agents that were made already: two agents may hand over to each other.
        """
        if id(agent) not in made:
            ours = made[id(agent)] = replace(agent, tools=[self._noting_tool(tool) for tool in agent.tools])
            ours.handoffs = [self._noting_handoff(each, made) for each in agent.handoffs]
        return made[id(agent)]

    def _noting_tool(self, tool: sdk.Tool) -> sdk.Tool:
        if not isinstance(tool, sdk.FunctionTool):
            return tool

        async def invoke(context: ToolContext[Any], arguments: str) -> str:
            number = self.note("call", arguments, tool.name)
            text = shortened(valid_text(await self._use(tool, context, arguments)), LONGEST_RESULT)
            self.note("result", text, tool.name, number)
            return text

        return replace(tool, on_invoke_tool=invoke)

    def _noting_handoff(self, each: Any, made: dict[int, sdk.Agent[None]]) -> sdk.Handoff[Any, Any]:
        given: sdk.Handoff[Any, Any] = each if isinstance(each, sdk.Handoff) else sdk.handoff(each)

        async def invoke(context: sdk.RunContextWrapper[Any], arguments: str) -> sdk.Agent[None]:
            number = self.note("call", arguments, given.tool_name)
            agent = await given.on_invoke_handoff(context, arguments)
            self.note("result", f"{agent.name} goes on.", given.tool_name, number)
            return self._noting(agent, made)

        return replace(given, on_invoke_handoff=invoke)

    def _unknown_tool(self, error: sdk.ToolErrorFormatterArgs[Any]) -> str | None:
        if error.kind != "tool_not_found":
            return None
        text = f"Unknown tool {error.tool_name!r}. There are: {', '.join(self._known)}."
        self.note("result", text, error.tool_name, self.note("call", "", error.tool_name))
        return text

    @staticmethod
    async def _use(tool: sdk.FunctionTool, context: ToolContext[Any], arguments: str) -> str:
        """Use a tool for the model. An error becomes the result."""
        wrong = f"Invalid arguments for {tool.name}"
        try:
            given = json_object(arguments)
        except ValueError as error:
            return f"{wrong}: {error}"
        # The SDK's tools would ignore an argument that they do not know, and answer another question.
        if more := given.keys() - tool.params_json_schema.get("properties", {}).keys():
            return f"{wrong}: it takes no {', '.join(more)}."
        try:
            return _text(await tool.on_invoke_tool(context, arguments or "{}"))
        except (FailureError, sdk.AgentsException) as error:
            # The SDK wraps the failure of an MCP call.
            failure = error if isinstance(error, FailureError) else error.__cause__
            if not isinstance(failure, FailureError) or cancelled(failure):
                raise
            return f"Error: {tool.name} failed. {reason(failure)}"
        except ValidationError as error:
            return f"{wrong}. {invalid_fields(error)}"


def _text(result: Any) -> str:
    """The result of a tool as text. MCP tools return their texts in objects."""
    parts = result if isinstance(result, list) else [result]
    if all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return str(result)
