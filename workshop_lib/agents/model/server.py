"""The offline model's HTTP interface: OpenAI's chat completions, on loopback, in its own process.

``await Workshop.start(model=True)`` starts it. Each request and its tokens are noted in the ledger, as on a provider's
bill. ``ws.fault("model.invents_tool")`` and others let it make the mistakes that models make.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from workshop_lib.agents.conversation import tokens
from workshop_lib.agents.model.planner import plan
from workshop_lib.agents.model.settings import OFFLINE, SERVICE
from workshop_lib.evidence.ledger import note
from workshop_lib.evidence.state import notebook_folder
from workshop_lib.faults.interceptor import Faults
from workshop_lib.faults.kinds import MODEL, parse

_faults = Faults(notebook_folder(), may_die=False)
_TOOL = {"type": "function", "function": {"name": "warm_up", "parameters": {"properties": {"text": {}}}}}
plan([{"role": "user", "content": "What is 1 + 1?"}], [_TOOL])  # its patterns are compiled now, not with the first


async def _complete(request: Request) -> Response:
    try:
        asked = json.loads(await request.body())
        messages, tools = [dict(message) for message in asked["messages"]], asked.get("tools") or []
    except (ValueError, KeyError, TypeError):
        error = {"message": "Send a JSON object that has `messages`.", "type": "invalid_request_error"}
        return JSONResponse({"error": error}, 400)
    if asked.get("tool_choice") == "none":
        tools = []
    said = plan(messages, tools)
    kinds = [kind for kind in MODEL if said.get("tool_calls") or kind == "answers_nonsense"]
    fault = _faults.take(SERVICE, *kinds)
    usage = {"prompt_tokens": tokens([*messages, *tools]), "completion_tokens": tokens([said])}
    usage["total_tokens"] = sum(usage.values())
    digest = hashlib.sha256(json.dumps([messages, tools]).encode()).hexdigest()[:16]
    note("model call", call=request.headers.get("x-client-request-id", ""), tokens=usage["total_tokens"])
    if fault:
        kind = parse(fault["name"])[1]
        if kind == "answers_nonsense":
            return PlainTextResponse("<html>Bad gateway</html>")
        _spoil(said["tool_calls"][0]["function"], kind)
    return _answered(said, usage, digest, bool(asked.get("stream")))


_MISTAKES: dict[str, Callable[[dict[str, Any]], str]] = {  # what a model writes in the place of these arguments
    "garbles_arguments": lambda arguments: json.dumps(arguments)[:-1] + ",",
    "forgets_arguments": lambda arguments: "null",
    "invents_field": lambda arguments: json.dumps({**arguments, "color": "blue"}),
    "mistypes_field": lambda arguments: json.dumps({name: ["?"] for name in arguments} or {"color": "blue"}),
}


def _spoil(function: dict[str, str], kind: str) -> None:
    """Put a mistake of this kind into a tool call."""
    if kind == "invents_tool":
        function["name"] += "_2"
    else:
        function["arguments"] = _MISTAKES[kind](json.loads(function["arguments"]))


def _answered(said: dict[str, Any], usage: dict[str, int], digest: str, stream: bool) -> Response:
    finish = "tool_calls" if said.get("tool_calls") else "stop"
    body = {"id": f"chatcmpl-{digest}", "created": 0, "model": OFFLINE}
    if not stream:
        choice = {"index": 0, "message": said, "finish_reason": finish}
        return JSONResponse({**body, "object": "chat.completion", "choices": [choice], "usage": usage})

    # It has the whole answer at once, and sends it in one piece.
    calls = [{"index": index, **call} for index, call in enumerate(said.get("tool_calls") or [])]
    whole = {"index": 0, "delta": said | ({"tool_calls": calls} if calls else {}), "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": finish}
    chunks = [json.dumps({**body, "object": "chat.completion.chunk", "choices": [each]}) for each in (whole, end)]
    last = json.dumps({**body, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    events = [f"data: {each}\n\n" for each in (*chunks, last, "[DONE]")]
    return PlainTextResponse("".join(events), media_type="text/event-stream")


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": OFFLINE, "object": "model", "owned_by": "the workshop"}]})


app = Starlette(routes=[Route("/v1/chat/completions", _complete, methods=["POST"]), Route("/v1/models", _models)])
