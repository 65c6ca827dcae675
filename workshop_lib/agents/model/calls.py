"""One call of the language model, as an activity: with limits, a heartbeat, and errors that say what to do."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from workshop_lib.agents.conversation import Chat, Message
from workshop_lib.agents.model.settings import ATTEMPT_SECONDS, model
from workshop_lib.cells.quiet import quieten_litellm
from workshop_lib.workers.takeover import idempotency_key

quieten_litellm()
import litellm  # noqa: E402

_LONGEST_ANSWER = 100_000
_HEARTBEAT = timedelta(seconds=2)
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))

# What trying again cannot fix, and the message for the user.
_PERMANENT = {
    "AuthenticationError": "The model's provider refuses our key (401). Whoever runs this agent has to renew it.",
    "PermissionDeniedError": "The model's provider does not let us use this model (403).",
    "NotFoundError": "The model's provider knows no such model (404). Whoever runs this agent has to correct its name.",
    "ContextWindowExceededError": "This conversation is too long for the model.",
    "ContentPolicyViolationError": "The model's provider declines to answer that.",
    "BadRequestError": "The model's provider does not understand our request (400).",
    "UnprocessableEntityError": "The model's provider does not understand our request (422).",
}
_PASSING = {
    "RateLimitError": "The language model has too much to do (429). Please try again in a minute.",
    "Timeout": "The language model did not answer in time. Please try again.",
    "APIConnectionError": "The language model could not be reached. Please try again.",
}
_DOWN = "The language model is out of order. Please try again in a minute."


@dataclass(frozen=True)
class ModelRequest:
    """What a model is asked.

    Attributes:
        messages: The conversation, as OpenAI's chat completions have it.
        tools: Schemas of the tools that it may call.
        model: As in ``Chat``.
    """

    messages: list[Message]
    tools: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""


@activity.defn
async def call_model(request: ModelRequest) -> Message:
    """Ask the language model for its next message.

    Args:
        request: What it is asked.

    Raises:
        ApplicationError: It could not be asked. The message is a sentence for the user; the type is LiteLLM's name of
            the error. Not retryable where trying again cannot help; after a 429 the next try waits as long as the
            provider asks (``Retry-After``).
    """
    tools = {"tools": request.tools} if request.tools else {}
    # With this a provider's log tells which call it was, and that an attempt was a second one.
    headers = {"X-Client-Request-Id": idempotency_key()}
    arguments = {**model(request.model), **tools, "messages": request.messages, "extra_headers": headers}
    try:
        return _plain(await litellm.acompletion(**arguments))
    except Exception as error:  # LiteLLM raises plain exceptions, too: a body that is not valid JSON, for one
        raise explained(error) from error


def _plain(answer: Any) -> Message:
    said: Message = answer.choices[0].message.model_dump(include={"role", "content", "tool_calls"}, exclude_none=True)
    if not all(call["function"].get("name") for call in said.get("tool_calls", [])):
        raise ValueError("a tool call without a name")
    if len(json.dumps(said)) > _LONGEST_ANSWER:  # it would be in the history, and in each request from now on
        raise ValueError(f"an answer of more than {_LONGEST_ANSWER} bytes")
    return {"content": None, **said}


def explained(error: Exception) -> ApplicationError:
    """Why a call failed, in a message for the user, and whether and when it is tried again.

    Args:
        error: Of ``litellm.acompletion``.

    Returns:
        As ``call_model`` raises it.
    """
    kinds = [kind.__name__ for kind in type(error).__mro__]
    for permanent, known in ((True, _PERMANENT), (False, _PASSING)):
        for kind in kinds:
            if kind in known:
                wait = _retry_after(error)
                return ApplicationError(known[kind], type=kind, non_retryable=permanent, next_retry_delay=wait)
    return ApplicationError(_DOWN, str(error)[:300], type=kinds[0])


def _retry_after(error: Exception) -> timedelta | None:
    headers = getattr(error, "litellm_response_headers", None) or {}  # those of `error.response` are empty
    with contextlib.suppress(ValueError, OverflowError):  # it may also be a date
        return timedelta(seconds=max(0.0, float(headers["retry-after"]))) if "retry-after" in headers else None
    return None


async def ask_model(chat: Chat, messages: list[Message], tools: list[dict[str, Any]]) -> Message:
    """Ask the language model from a workflow.

    Args:
        chat: Says which model, and how long its answer may take.
        messages: The conversation.
        tools: Schemas of the tools that it may call.

    Returns:
        Its next message: a text, or tool calls.

    Raises:
        ActivityError: It could not be asked in ``chat.model_seconds``. The cause is ``call_model``'s.
    """
    request = ModelRequest(messages, tools, chat.model)
    return await workflow.execute_activity(call_model, request, **limits(chat.model_seconds))


def limits(seconds: float) -> dict[str, Any]:
    """Options of an activity that calls a model: how long, how often, and when it is given up.

    Args:
        seconds: How long an answer may take, including retries.
    """
    limit = timedelta(seconds=seconds)
    return {
        "start_to_close_timeout": min(timedelta(seconds=ATTEMPT_SECONDS + 1), limit),
        "schedule_to_close_timeout": limit,
        "heartbeat_timeout": _HEARTBEAT,
        "retry_policy": _RETRY,
    }
