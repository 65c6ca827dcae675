"""Helpers for the workshop *Governance for AI agents with Temporal Nexus*.

The library runs a Temporal Server and Workers beside a notebook, breaks them on request and checks
exercises. What you would paste into production (``Client.connect``, ``Worker``, ``@workflow.defn``) stays
the SDK's own.

The names in ``__init__.pyi`` are imported when they are first used, so that ``import workshop_lib`` costs nothing. What
the import does is to let calls to this machine bypass a company's proxy, here and in processes that this one starts.
"""

import ast
import importlib
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # hosts that are not reached through a proxy


def _bypass_proxies() -> None:
    if sys.platform == "darwin":  # there NO_PROXY alone would hide the proxies that System Settings name
        from urllib.request import getproxies

        for kind, url in getproxies().items():
            os.environ.setdefault(f"{kind}_proxy", url)
    named = ",".join([os.environ.get("NO_PROXY", ""), os.environ.get("no_proxy", ""), *LOOPBACK])
    hosts = [stripped for host in named.split(",") if (stripped := host.strip())]
    text = "*" if "*" in hosts else ",".join(dict.fromkeys(hosts))  # all hosts, which only counts alone
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = text


_bypass_proxies()


@cache
def _modules() -> dict[str, str]:
    """The modules of the names in ``__init__.pyi``."""
    lines = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    return {each.name: str(line.module) for line in lines if isinstance(line, ast.ImportFrom) for each in line.names}


def __getattr__(name: str) -> Any:
    if name not in _modules():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_modules()[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_modules())
