"""A provider with a key, for tests of the switch to a real model: OpenAI's interface, on loopback."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from strict_provider import completion, said

KEY, NAME = "test-key", "gpt-test"


async def _complete(request: Request) -> JSONResponse:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return JSONResponse({"error": {"message": "Incorrect API key provided"}}, 401)
    asked = await request.json()
    if asked["model"] != NAME:
        return JSONResponse({"error": {"message": f"The model {asked['model']} does not exist"}}, 404)
    return JSONResponse(completion(said(f"{NAME} heard: {asked['messages'][-1]['content']}"), NAME))


app = Starlette(routes=[Route("/v1/chat/completions", _complete, methods=["POST"])])
