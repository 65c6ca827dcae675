"""What a conversation on the OpenAI Agents SDK adds to that SDK and its Temporal plugin; demos 2 to 4 share it.

The SDK runs the loop. Here stands what it leaves to its users: the model's mistakes and the tools' failures are told
to the model, a provider's errors become sentences, and the memory goes from turn to turn.
"""

# No `from __future__ import annotations`: see workshop_lib/conversation.py.

import json
from abc import abstractmethod
from dataclasses import replace
from itertools import takewhile
from typing import Any

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
)
from agents.tool_context import ToolContext
from pydantic import ValidationError
from temporalio.exceptions import FailureError
from temporalio.openai_agents import ModelActivityParameters, OpenAIAgentsPlugin

from workshop_lib.agent import LONGEST_RESULT, MOST_ROUNDS, idempotency_key
from workshop_lib.conversation import Answer, Conversation, Message, cancelled, kind, reason
from workshop_lib.llm import settings
from workshop_lib.llm.calls import explained, limits
from workshop_lib.quiet import quieten_litellm

quieten_litellm()
from agents.extensions.models.litellm_model import LitellmModel  # noqa: E402


class LiteLlm(ModelProvider):
    """Reaches every model through LiteLLM, as ``workshop_lib.llm`` does."""

    def get_model(self, model_name: str | None) -> Model:
        """See base class.

        Args:
            model_name: As ``Chat.model``.
        """
        return _Model(settings.model(model_name or ""))


class _Model(LitellmModel):
    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__(arguments.pop("model"), arguments.pop("api_base", None), arguments.pop("api_key", None))
        self._arguments = arguments  # a limit for each attempt, and no attempts besides Temporal's

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        headers = {"X-Client-Request-Id": idempotency_key()}
        ours = ModelSettings(extra_args=self._arguments, extra_headers=headers)
        kwargs["model_settings"] = kwargs["model_settings"].resolve(ours)
        try:
            return await super().get_response(*args, **kwargs)
        except Exception as error:
            # The plugin would say "Retryable OpenAI status code: 429", and does not see LiteLLM's Retry-After.
            raise explained(error) from error


def plugin(model_seconds: float = 40.0) -> OpenAIAgentsPlugin:
    """The plugin, for the orchestrator's client.

    One process should have one: what it makes the SDK's default runner is the same for all Workers of a process.

    Args:
        model_seconds: How long one answer of the model may take, with all attempts. It is the same for all
            conversations of a Worker: ``Chat.model_seconds`` does not count here.
    """
    parameters = ModelActivityParameters(**limits(model_seconds))
    return OpenAIAgentsPlugin(model_params=parameters, model_provider=LiteLlm(), add_temporal_spans=False)


class AgentConversation(Conversation):
    """The base of a workflow class whose agent is one of the OpenAI Agents SDK."""

    @abstractmethod
    def agent(self) -> Agent[None]:
        """The agent that answers the next message."""

    async def answer(self, messages: list[Message]) -> Answer:
        """See base class."""
        agent = self.agent()
        agent = replace(agent, tools=[self._telling(tool) for tool in agent.tools])
        config = RunConfig(
            tool_not_found_behavior="return_error_to_model",
            tool_error_formatter=self._unknown_tool,
            tracing_disabled=True,
        )
        try:
            run = await Runner.run(agent, input=messages, max_turns=MOST_ROUNDS, run_config=config)  # type: ignore[arg-type]
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

    def _telling(self, tool: Tool) -> Tool:
        """A tool that notes its use, and whose failures the model is told."""
        if not isinstance(tool, FunctionTool):
            return tool

        async def invoke(context: ToolContext[Any], arguments: str) -> str:
            number = self.note("call", arguments, tool.name)
            text = await _use(tool, context, arguments)
            text = text if len(text) <= LONGEST_RESULT else f"{text[:LONGEST_RESULT]}… (cut)"
            self.note("result", text, tool.name, number)
            return text

        return replace(tool, on_invoke_tool=invoke)

    def _unknown_tool(self, error: ToolErrorFormatterArgs[Any]) -> str | None:
        if error.kind != "tool_not_found":
            return None
        there_are = ", ".join(tool.name for tool in self.agent().tools)
        text = f"Unknown tool {error.tool_name!r}. There are: {there_are}."
        self.note("result", text, error.tool_name, self.note("call", "", error.tool_name))
        return text


async def _use(tool: FunctionTool, context: ToolContext[Any], arguments: str) -> str:
    """Do what the model asks for; what goes wrong is the result."""
    try:
        given = json.loads(arguments or "{}")
        # The SDK's tools drop what they do not know, and answer something else than was asked.
        if not isinstance(given, dict) or (more := given.keys() - tool.params_json_schema["properties"].keys()):
            wrong = f"it takes no {', '.join(more)}" if isinstance(given, dict) else "they are no JSON object"
            return f"Invalid arguments for {tool.name}: {wrong}."
        return str(await tool.on_invoke_tool(context, json.dumps(given)))
    except FailureError as error:
        if cancelled(error):
            raise
        return f"Error: {tool.name} failed. {reason(error)}"
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return f"Invalid arguments for {tool.name}. {wrong}"
    except ValueError as error:
        return f"Invalid arguments for {tool.name}: they are no JSON. {error}"
