"""The client with which a team's activities ask an HTTP service."""

from __future__ import annotations

from functools import cache

import httpx


@cache
def client(seconds: float) -> httpx.Client:
    """The client of this process, for all of its threads. Each request has its own connection.

    A client for each request would read the certificates each time. That takes 29 ms of CPU time, for a request that
    takes less than one: on a busy machine, most of the time that an attempt has.

    Args:
        seconds: How long to wait for a connection, and for each part of an answer.
    """
    return httpx.Client(timeout=seconds, limits=httpx.Limits(max_keepalive_connections=0))
