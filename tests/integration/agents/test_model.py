"""The language model: the offline one over HTTP, the switch to a real one, and no way out of loopback.

And a company's proxy: what goes there, and what does not. Each solution runs behind one, too (tests/notebooks).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import litellm
import pytest
import real_model
from demo_talks import ask, begin
from refusing_proxy import refusing_proxy
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.agents.model.settings import model
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.teams.support.worker import WORKER
from workshop_lib.teams.support.workflows import Dispatcher
from workshop_lib.workers.spawned import HttpService
from workshop_lib.workshop import Workshop

ASKED = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "water_plants",
        "description": "Water the plants in a room.",
        "parameters": {"type": "object", "properties": {"room": {"type": "string"}}, "required": ["room"]},
    },
}


@pytest.fixture(scope="module")
async def served(ws: Workshop, with_model: None) -> HttpService:
    """A second server in the place of a real provider."""
    return await ws.serve("provider", "real_model")


@pytest.fixture
def provider(served: HttpService, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The provider with the right name and key."""
    monkeypatch.setenv("WORKSHOP_MODEL", f"openai/{real_model.NAME}")
    monkeypatch.setenv("OPENAI_API_BASE", f"{served.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", real_model.KEY)
    return monkeypatch


async def test_streamed_and_whole_answers_are_the_same(with_model: None) -> None:
    for text in ("hello", "Please water the plants in the kitchen."):
        messages = [{"role": "user", "content": text}]
        whole = await litellm.acompletion(**model("offline"), messages=messages, tools=[TOOL])
        stream = await litellm.acompletion(**model("offline"), messages=messages, tools=[TOOL], stream=True)
        built: Any = litellm.stream_chunk_builder([chunk async for chunk in stream])
        said, streamed = whole.choices[0].message, built.choices[0].message
        assert (streamed.content or "") == (said.content or "")
        assert [(each.id, each.function) for each in streamed.tool_calls or []] == [
            (each.id, each.function) for each in said.tool_calls or []
        ]
    assert json.loads(said.tool_calls[0].function.arguments) == {"room": "kitchen"}


async def test_the_client_library_does_not_try_again_by_itself(ws: Workshop, with_model: None) -> None:
    with ws.fault("model.answers_500", times=1000) as fault, pytest.raises(litellm.exceptions.InternalServerError):
        await litellm.acompletion(**model("offline"), messages=ASKED)
    assert fault.fired == 1


async def test_a_real_model_is_used_when_it_is_named(
    ws: Workshop, client: Client, provider: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await Workshop.start(model=True)
    assert f"openai/{real_model.NAME}, from WORKSHOP_MODEL" in capsys.readouterr().out
    queue = ws.id("real")
    ws.run(Worker, client, **{**WORKER, "task_queue": queue, "activities": WORKER["activities"][:1]})
    for named, expected in (("", "gpt-test heard: hello"), ("offline", "Hello")):
        handle = await begin(ws, client, Dispatcher, queue, model=named)
        assert (await ask(handle, "hello")).text.startswith(expected)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OPENAI_API_KEY", "", r"needs OPENAI_API_KEY(?s:.*)offline model needs no key"),
        ("OPENAI_API_KEY", "another", r"provider refuses our key \(401\)"),
        ("WORKSHOP_MODEL", "openai/gpt-other", r"provider knows no such model \(404\)"),
        ("WORKSHOP_MODEL", "gibberish", "gibberish"),
        ("OPENAI_API_BASE", "http://127.0.0.1:9/v1", "does not answer"),
    ],
)
async def test_what_is_wrong_with_a_real_model_is_said_at_the_start(
    ws: Workshop, provider: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    provider.setenv(name, value) if value else provider.delenv(name)
    with pytest.raises(WorkshopError, match=said):
        await Workshop.start(model=True)


OFFLINE = """
import sys
outside = []

def watch(event, args):
    if event == "socket.connect":
        host = args[1][0] if isinstance(args[1], tuple) else "127.0.0.1"  # else a Unix socket
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if host not in (None, "127.0.0.1", b"127.0.0.1", "localhost", "::1"):
        outside.append((event, host))

sys.addaudithook(watch)
from workshop_lib.__main__ import main
sys.argv = ["workshop_lib", "demos", "1", "What is 6 * 7?"]
main()
print("OUTSIDE", outside)
import os, socket
try:
    socket.getaddrinfo("provider.invalid", 443)
except OSError:
    print("SEEN", outside, flush=True)
os._exit(0)
"""


def test_nothing_outside_loopback_is_tried(tmp_path: Path) -> None:
    tests = Path(__file__).resolve().parents[2]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "WORKSHOP_HOME": str(tmp_path / "home")}
    env["PYTHONPATH"] = f"{tests / 'parts'}:{tests}:{tests.parent}"
    done = subprocess.run([sys.executable, "-c", OFFLINE], env=env, capture_output=True, text=True, timeout=300)
    assert "OUTSIDE []" in done.stdout, done.stdout + done.stderr
    assert "provider.invalid" in done.stdout.partition("SEEN")[2], "who looks a name up is seen"


CALLS = """
import contextlib, grpc, httpx, httpx2, workshop_lib
for url in ("http://provider.invalid/a", "http://127.0.0.1:9/b", "http://localhost:9/c", "http://[::1]:9/d"):
    for library in (httpx, httpx2):
        with contextlib.suppress(library.HTTPError):
            library.get(url)
from workshop_lib.agents.model import calls
for api_base in ("https://model.invalid/v1", "http://localhost:9/v1"):
    with contextlib.suppress(Exception):
        calls.litellm.completion("openai/x", [{"role": "user", "content": "?"}], api_base=api_base, api_key="k",
                                 max_retries=0)
with contextlib.suppress(grpc.RpcError):
    grpc.insecure_channel("127.0.0.1:9").unary_unary("/a/b")(b"", timeout=60)
"""


def test_a_provider_is_called_through_the_proxy_and_loopback_is_not() -> None:
    with refusing_proxy() as (variables, seen):
        subprocess.run([sys.executable, "-c", CALLS], env={**os.environ, **variables}, check=True, timeout=300)
    assert [line.split()[1] for line in seen] == ["http://provider.invalid/a"] * 2 + ["model.invalid:443"]


def test_what_bypasses_the_proxy_already_still_does() -> None:
    code, here = "import os, workshop_lib; print(os.environ['NO_PROXY'])", "127.0.0.1,localhost,::1"
    for before, after in (("", here), (".a.example, localhost", ".a.example,localhost,127.0.0.1,::1"), (".a,*", "*")):
        environment = {**os.environ, "no_proxy": before}
        del environment["NO_PROXY"]  # this process has set it
        assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == after
