"""Helpers for the workshop *Governance for AI agents with Temporal Nexus*.

The library runs a Temporal Server and Workers beside a notebook, breaks them on request and checks
exercises. What you would paste into production (``Client.connect``, ``Worker``, ``@workflow.defn``) stays
the SDK's own.

The names below are imported when they are first used, so that ``import workshop_lib`` costs nothing. What the import
does is to let calls to this machine bypass a company's proxy, here and in the processes that this one starts.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workshop_lib.checks.exercise import check as check
    from workshop_lib.checks.exercise import hint as hint
    from workshop_lib.evidence.history import history as history
    from workshop_lib.views.chart import lines as lines
    from workshop_lib.views.chat.chat import chat as chat
    from workshop_lib.views.comparison import comparison as comparison
    from workshop_lib.views.desk import desk as desk
    from workshop_lib.views.hops import hops as hops
    from workshop_lib.views.lanes import lanes as lanes
    from workshop_lib.views.overview import overview as overview
    from workshop_lib.views.panel import panel as panel
    from workshop_lib.views.plumbing import plumbing as plumbing
    from workshop_lib.views.predict import predict as predict
    from workshop_lib.views.source import source as source
    from workshop_lib.views.table import table as table
    from workshop_lib.views.timeline import timeline as timeline
    from workshop_lib.views.topology import topology as topology
    from workshop_lib.views.where import where as where
    from workshop_lib.workers.background import run as run
    from workshop_lib.workshop import Workshop as Workshop

_VIEWS = ["comparison", "desk", "hops", "lanes", "overview", "panel", "plumbing"]
_VIEWS += ["predict", "source", "table", "timeline", "topology", "where"]
_HOME = {name: f"workshop_lib.views.{name}" for name in _VIEWS} | {
    "Workshop": "workshop_lib.workshop",
    "chat": "workshop_lib.views.chat.chat",
    "check": "workshop_lib.checks.exercise",
    "hint": "workshop_lib.checks.exercise",
    "history": "workshop_lib.evidence.history",
    "lines": "workshop_lib.views.chart",
    "run": "workshop_lib.workers.background",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOME)
