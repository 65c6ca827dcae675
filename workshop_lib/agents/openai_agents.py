"""What a conversation on the OpenAI Agents SDK adds to that SDK and its Temporal plugin; demos 2 to 4 share it.

The SDK runs the loop. Here is what it leaves to its users: the model's mistakes and the tools' failures go back to
the model, a provider's errors become sentences, and the memory goes from turn to turn.
"""

# No `from __future__ import annotations`: see workshop_lib/agents/conversation.py.

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, cast

from agents import (
    Agent,
    AgentsException,
    FunctionTool,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    Model,
    ModelProvider,
    ModelResponse,
    ModelSettings,
    RunConfig,
    Runner,
    Tool,
    ToolErrorFormatterArgs,
    TResponseInputItem,
)
from agents.mcp import MCPServer
from agents.tool_context import ToolContext
from pydantic import ValidationError
from temporalio.exceptions import FailureError
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin

from workshop_lib.agents.conversation import Answer, Conversation, Message
from workshop_lib.agents.loop import LONGEST_RESULT, MOST_ROUNDS
from workshop_lib.agents.model import settings
from workshop_lib.agents.model.calls import explained, limits
from workshop_lib.cells.quiet import quieten_litellm
from workshop_lib.evidence.failures import cancelled, invalid_fields, kind, reason
from workshop_lib.evidence.messages import shortened
from workshop_lib.workers.takeover import idempotency_key

quieten_litellm()
from agents.extensions.models.litellm_model import LitellmModel  # noqa: E402


class LiteLlm(ModelProvider):
    """Reaches every model through LiteLLM, as ``workshop_lib.agents.model`` does."""

    def get_model(self, model_name: str | None) -> Model:
        """See base class.

        Args:
            model_name: As ``Chat.model``.
        """
        return LiteLlmModel(settings.model(model_name or ""))


class LiteLlmModel(LitellmModel):
    """A model whose errors are sentences for the user, and say whether and when to try again.

    Args:
        arguments: Of ``litellm.acompletion``, as ``workshop_lib.agents.model.settings.model`` gives them.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__(arguments.pop("model"), arguments.pop("api_base", None), arguments.pop("api_key", None))
        self._arguments = arguments  # a limit for each attempt, and no attempts besides Temporal's

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """See base class."""
        headers = {"X-Client-Request-Id": idempotency_key()}
        ours = ModelSettings(extra_args=self._arguments, extra_headers=headers)
        kwargs["model_settings"] = kwargs["model_settings"].resolve(ours)
        try:
            return await super().get_response(*args, **kwargs)
        except Exception as error:
            # The plugin would say "Retryable OpenAI status code: 429", and does not see LiteLLM's Retry-After.
            raise explained(error) from error


def plugin(
    model_seconds: float = 40.0, mcp_servers: Mapping[str, Callable[..., MCPServer]] | None = None
) -> OpenAIAgentsPlugin:
    """The plugin, for the orchestrator's client.

    One process should have one: what it makes the SDK's default runner is the same for all Workers of a process.

    Args:
        model_seconds: How long one answer of the model may take, including retries. It is the same for all
            conversations of a Worker: ``Chat.model_seconds`` does not count here.
        mcp_servers: How the Worker reaches each MCP server that an agent names in ``temporal_mcp_server``: a function
            of its ``factory_argument``, which here says for how many seconds to wait for an answer.
    """
    return OpenAIAgentsPlugin(
        model_params=ModelActivityParameters(**limits(model_seconds)),
        model_provider=LiteLlm(),
        add_temporal_spans=False,
        mcp_servers=mcp_servers,
    )


class AgentConversation(Conversation):
    """The base of a workflow class whose agent is one of the OpenAI Agents SDK."""

    _tools: Sequence[Tool] = ()  # of this turn

    @abstractmethod
    def agent(self) -> Agent[None]:
        """The agent that answers the next message."""

    async def ready(self) -> Agent[None]:
        """The same agent, with the tools that there are in this turn. Where they change, a subclass looks for them."""
        return self.agent()

    def completed(self, agent: Agent[None]) -> Agent[None]:
        """Add to the agent of this turn what ``ready``, which its author may write, does not decide.

        Args:
            agent: As ``ready`` gave it.
        """
        return agent

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        agent = self.completed(await self.ready())
        self._tools = agent.tools
        agent = replace(agent, tools=[self._noting(tool) for tool in agent.tools])
        config = RunConfig(
            tool_not_found_behavior="return_error_to_model",
            tool_error_formatter=self._unknown_tool,
            tracing_disabled=True,
        )
        try:
            items = cast(list[TResponseInputItem], messages)
            run = await Runner.run(agent, items, max_turns=MOST_ROUNDS, run_config=config)
        except InputGuardrailTripwireTriggered as refused:
            # The model must not see in the next turn what it may not see in this one.
            text = str(refused.guardrail_result.output.output_info or "I may not answer that.")
            return Answer(text, [], "Refused", remembered=False)
        except MaxTurnsExceeded:
            return self._gave_up(f"I stopped after {MOST_ROUNDS} rounds without an answer.")
        except AgentsException as error:
            return self._gave_up(f"I could not answer that. {reason(error)}", type(error).__name__)
        except FailureError as error:
            if cancelled(error) or not self._done():
                raise
            return self._gave_up(f"I could not finish that. {reason(error)}", kind(error))
        text = str(run.final_output or "I have no answer to that.")
        return Answer(text, [dict(item.to_input_item()) for item in run.new_items])

    def _gave_up(self, text: str, problem: str = "") -> Answer:
        # What was done must not be forgotten: the user would ask for it again.
        if done := self._done():
            text += f" Before that, my tools said: {' '.join(done)}"
        return Answer(text, [{"role": "assistant", "content": text}], problem)

    def _done(self) -> list[str]:
        """What the tools have said since the user's message, the latest first."""
        latest = takewhile(lambda entry: entry.kind != "user", reversed(self.chat.entries))
        return [entry.text for entry in latest if entry.kind == "result"]

    def _noting(self, tool: Tool) -> Tool:
        """A tool that notes its use, and whose failures become its result."""
        if not isinstance(tool, FunctionTool):
            return tool

        async def invoke(context: ToolContext[Any], arguments: str) -> str:
            number = self.note("call", arguments, tool.name)
            text = shortened(await self._use(tool, context, arguments), LONGEST_RESULT)
            self.note("result", text, tool.name, number)
            return text

        return replace(tool, on_invoke_tool=invoke)

    def _unknown_tool(self, error: ToolErrorFormatterArgs[Any]) -> str | None:
        if error.kind != "tool_not_found":
            return None
        there_are = ", ".join(tool.name for tool in self._tools)
        text = f"Unknown tool {error.tool_name!r}. There are: {there_are}."
        self.note("result", text, error.tool_name, self.note("call", "", error.tool_name))
        return text

    @staticmethod
    async def _use(tool: FunctionTool, context: ToolContext[Any], arguments: str) -> str:
        """Do what the model asks for; what goes wrong is the result."""
        wrong = f"Invalid arguments for {tool.name}"
        try:
            given = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            return f"{wrong}: they are not valid JSON. {error}"
        if not isinstance(given, dict):
            return f"{wrong}: they are not a JSON object."
        # The SDK's tools would drop what they do not know, and answer something else than was asked.
        if more := given.keys() - tool.params_json_schema.get("properties", {}).keys():
            return f"{wrong}: it takes no {', '.join(more)}."
        try:
            return _text(await tool.on_invoke_tool(context, arguments or "{}"))
        except (FailureError, AgentsException) as error:
            # The SDK wraps the failure of an MCP call.
            failure = error if isinstance(error, FailureError) else error.__cause__
            if not isinstance(failure, FailureError) or cancelled(failure):
                raise
            return f"Error: {tool.name} failed. {reason(failure)}"
        except ValidationError as error:
            return f"{wrong}. {invalid_fields(error)}"


def _text(result: Any) -> str:
    """What a tool returned, for a model that reads: an MCP tool returns its texts in objects."""
    parts = result if isinstance(result, list) else [result]
    if all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return str(result)
