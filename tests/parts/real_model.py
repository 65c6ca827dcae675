"""A provider with a key, for tests of the switch to a real model: OpenAI's interface, on loopback."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

KEY, NAME = "test-key", "gpt-test"


async def _complete(request: Request) -> JSONResponse:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return JSONResponse({"error": {"message": "Incorrect API key provided"}}, 401)
    asked = await request.json()
    if asked["model"] != NAME:
        return JSONResponse({"error": {"message": f"The model {asked['model']} does not exist"}}, 404)
    said = {"role": "assistant", "content": f"{NAME} heard: {asked['messages'][-1]['content']}"}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": NAME, "choices": [choice], "usage": usage}
    return JSONResponse(body)


app = Starlette(routes=[Route("/v1/chat/completions", _complete, methods=["POST"])])
