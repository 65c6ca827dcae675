"""A company's proxy: what goes there, and what does not. Each solution runs behind one, too (tests/notebooks)."""

import os
import subprocess
import sys

from refusing_proxy import refusing_proxy

_CALLS = """
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
        subprocess.run([sys.executable, "-c", _CALLS], env={**os.environ, **variables}, check=True, timeout=300)
    assert [line.split()[1] for line in seen] == ["http://provider.invalid/a"] * 2 + ["model.invalid:443"]


def test_what_bypasses_the_proxy_already_still_does() -> None:
    code, here = "import os, workshop_lib; print(os.environ['NO_PROXY'])", "127.0.0.1,localhost,::1"
    for before, after in (("", here), (".a.example, localhost", ".a.example,localhost,127.0.0.1,::1"), (".a,*", "*")):
        environment = {**os.environ, "no_proxy": before}
        del environment["NO_PROXY"]  # this process has set it
        assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == after
