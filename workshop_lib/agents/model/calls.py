"""One call of the language model, as an activity: with limits, a heartbeat, and errors that say what to do."""

import asyncio
import contextlib
import time
import tomllib
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypedDict
from weakref import WeakKeyDictionary

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from workshop_lib.agents.conversation import Chat, Message
from workshop_lib.agents.model.messages import received, sendable
from workshop_lib.agents.model.settings import ATTEMPT_SECONDS, model
from workshop_lib.cells.quiet import quieten_litellm
from workshop_lib.evidence.messages import valid_text
from workshop_lib.workers.takeover import HEARTBEAT, idempotency_key

quieten_litellm()
import litellm  # noqa: E402
from litellm.llms.openai.common_utils import BaseOpenAILLM, get_openai_credentials  # noqa: E402
from openai import AsyncOpenAI  # noqa: E402

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, AsyncOpenAI]] = WeakKeyDictionary()

_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))

_WITHOUT_WORKER = timedelta(minutes=10)  # how long a call waits for a Worker, which is not the model's time
_MOST_NONSENSE = 3  # unreadable answers before we give up

_DOWN = "The language model is out of order. Please try again in a minute."


class ModelRequest(TypedDict):
    """A request to a model.

    A dict, because a dataclass is copied when it is encoded: in the sandbox, 10 ms for a turn with six tools.

    Attributes:
        messages: The conversation, in the format of OpenAI's chat completions.
        tools: Schemas of the tools that it may call.
        model: See ``Chat``.
        seconds: How long the answer may take, including retries.
    """

    messages: list[Message]
    tools: list[dict[str, Any]]
    model: str
    seconds: float


@activity.defn
async def call_model(request: ModelRequest) -> Message:
    """Ask the language model for its next message.

    Args:
        request: The request.

    Raises:
        ApplicationError: The model could not be asked. The message is for the user; the type is LiteLLM's name of the
            error. It is not retryable where a retry cannot help. After a 429, the next attempt waits as long as the
            provider asks for (``Retry-After``).
    """
    tools = {"tools": request["tools"]} if request["tools"] else {}
    said, _ = await complete(request["messages"], request["seconds"], **model(request["model"]), **tools)
    return said


async def complete(messages: list[Any], seconds: float, **arguments: Any) -> tuple[Message, Any]:
    """Ask a language model, from an activity.

    Args:
        messages: The conversation, in the format of OpenAI's chat completions.
        seconds: How long the answer may take, including retries. It is checked when an attempt has failed: a first
            attempt that is late because no Worker was running is still made.
        arguments: Other arguments of ``litellm.acompletion``.

    Returns:
        The next message, in a form that any provider accepts again, and the tokens that it used, if the provider says.

    Raises:
        ApplicationError: See ``call_model``.
    """
    key, began = idempotency_key(), time.monotonic()
    # In a provider's log, this header shows which call it was, and that an attempt was repeated.
    arguments["extra_headers"] = {**(arguments.get("extra_headers") or {}), "X-Client-Request-Id": key}
    try:
        async with asyncio.timeout(min(seconds, ATTEMPT_SECONDS + 1)):  # LiteLLM's own starts again with each byte
            answer = await litellm.acompletion(messages=sendable(messages), client=_client(arguments), **arguments)
        return received(answer.choices[0], key), getattr(answer, "usage", None)
    except Exception as error:  # LiteLLM raises plain exceptions, too: a body that is not valid JSON, for one
        # It quotes the answer. With half a surrogate pair in it, no failure could be made of it; that is retried.
        cause = ApplicationError(valid_text(str(error)), type=type(error).__name__)
        raise explained(error, seconds - (time.monotonic() - began)) from cause.with_traceback(error.__traceback__)


def _client(arguments: dict[str, Any]) -> AsyncOpenAI | None:
    """A client per event loop, which follows no redirect: the key and the conversation are for this provider only."""
    if not arguments["model"].startswith("openai/"):
        return None
    known = get_openai_credentials(arguments.get("api_base"), arguments.get("api_key"))
    made = _clients.setdefault(asyncio.get_running_loop(), {})
    if known not in made:
        http: Any = BaseOpenAILLM.get_async_http_client()
        http.follow_redirects = False
        made[known] = AsyncOpenAI(api_key=known.api_key, base_url=known.api_base, http_client=http, max_retries=0)
    return made[known]


@cache  # not at import: the sandbox would refuse to read a file
def _errors() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads(Path(__file__).with_name("errors.toml").read_text(encoding="utf-8"))


def explained(error: Exception, seconds: float = ATTEMPT_SECONDS) -> ApplicationError:
    """Turn an error into one that says why, in a message for the user, and whether and when to retry.

    Args:
        error: An error of ``litellm.acompletion``.
        seconds: See ``complete``; without those that this attempt has taken.

    Returns:
        The error for ``call_model`` to raise.
    """
    said = _errors()
    kinds, status = [kind.__name__ for kind in type(error).__mro__], str(getattr(error, "status_code", ""))
    names = [*kinds, status, f"{status[:1]}xx"]
    known = next((name for name in names if any(name in errors for errors in said.values())), "")
    if fatal := said["permanent"].get(known):
        return ApplicationError(fatal["say"], type=fatal.get("type", kinds[0]), non_retryable=True)
    wait, last = _retry_after(error), False
    if activity.in_activity():
        info = activity.info()
        # An error of the provider has headers. An answer that LiteLLM could not read has none, and will not get better.
        nonsense = not known and getattr(error, "litellm_response_headers", None) is None
        # What earlier attempts have taken is known by the server's clock alone: ours may be another.
        over = info.started_time - info.scheduled_time + (wait or timedelta(0)) >= timedelta(seconds=seconds)
        last = over or (nonsense and info.attempt >= _MOST_NONSENSE)
    text, details = (said["passing"][known]["say"], []) if known else (_DOWN, [valid_text(str(error))[:300]])
    return ApplicationError(text, *details, type=known or kinds[0], non_retryable=last, next_retry_delay=wait)


def _retry_after(error: Exception) -> timedelta | None:
    headers = getattr(error, "litellm_response_headers", None) or {}  # `error.response` has no headers
    with contextlib.suppress(ValueError, OverflowError):  # it may also be a date
        return timedelta(seconds=max(0.0, float(headers["retry-after"]))) if "retry-after" in headers else None
    return None


async def ask_model(chat: Chat, messages: list[Message], tools: list[dict[str, Any]]) -> Message:
    """Ask the language model from a workflow.

    Args:
        chat: The settings: which model, and how long its answer may take.
        messages: The conversation.
        tools: Schemas of the tools that it may call.

    Returns:
        The model's next message: a text, or tool calls.

    Raises:
        ActivityError: The model could not be asked. The cause is the error of ``call_model``.
    """
    request = ModelRequest(messages=messages, tools=tools, model=chat.model, seconds=chat.model_seconds)
    return await workflow.execute_activity(call_model, request, **limits(chat.model_seconds))


def limits(seconds: float) -> dict[str, Any]:
    """Return the options of an activity that calls ``complete``.

    Args:
        seconds: See ``complete``.
    """
    return {
        "start_to_close_timeout": timedelta(seconds=ATTEMPT_SECONDS + 10),  # `complete` gives up before that
        "schedule_to_close_timeout": timedelta(seconds=seconds) + _WITHOUT_WORKER,
        "heartbeat_timeout": HEARTBEAT,
        "retry_policy": _RETRY,
    }
