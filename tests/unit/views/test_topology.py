"""The topology's drawing, from queues made by hand; and who counts as alive where the process is not ours."""

import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from drawings import Drawn
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.taskqueue.v1 import PollerInfo

from workshop_lib.views.topology import Found, Queue, _judge, draw

LONG = "an-uncommonly-long-name-that-no-box-of-this-picture-has-room-for"


def judged(identity: str, heard: timedelta) -> list[str]:
    queue, seen = Queue("finance", "q"), Timestamp()
    seen.FromDatetime(datetime.now(UTC) - heard)
    nobody = cast(Any, SimpleNamespace(workers=()))
    _judge(nobody, queue, PollerInfo(identity=identity, last_access_time=seen), ("finance", "q", "nexus"))
    return list(queue.lines())


def test_another_process_of_this_machine_lives_while_it_lives() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = f"{process.pid}@{socket.gethostname()}"
        assert judged(identity, timedelta(minutes=4)) == [f"● process {process.pid}", "  polls: Nexus"]
        process.kill()
    assert judged(identity, timedelta(seconds=1)) == ["✗ nobody polls", f"  stopped: process {process.pid}"]


@pytest.mark.parametrize("identity", ["finance-team", f"{os.getpid()}@elsewhere"], ids=["a name", "another machine"])
def test_one_that_runs_elsewhere_counts_as_alive_for_a_long_poll(identity: str) -> None:
    assert judged(identity, timedelta(seconds=10)) == [f"● {identity}", "  polls: Nexus"]
    assert judged(identity, timedelta(seconds=80)) == ["✗ nobody polls", f"  stopped: {identity}"]


def test_each_box_has_its_place_and_what_is_cut_can_be_read() -> None:
    """Callers on both sides, endpoints that lead to the same queue, and names that fit nowhere."""
    handlers = Queue("it", "desk", {"process 1": {"nexus"}}, endpoints={"a", "b", LONG}, calls={"f"})
    finance = Queue("finance", LONG, {"process 2": {"workflow"}}, endpoints={"f"})
    callers = [Queue(LONG, name, {"process 3": {"workflow"}}, calls={"a", "f"}) for name in ("agents", LONG)]
    found = Found(
        {"it": [handlers], "finance": [finance], LONG: callers},
        {"a": handlers, "b": handlers, LONG: handlers, "f": finance},
    )
    picture = Drawn(draw(found))
    boxes = picture.styled("border:")
    assert len(boxes) == 3 + 4 + 4
    areas = [re.search(r"grid-area:(\d+)/(\d)/(\d+)", each.get("style", "")) for each in boxes]
    placed = sorted((area[2], int(area[1]), int(area[3])) for area in areas if area)  # a queue's is in its namespace's
    assert len(placed) == 3 + 4
    assert all(a[2] <= b[1] for a, b in pairwise(placed) if a[0] == b[0]), "none lies on another"
    assert {LONG, f"task queue {LONG}", f"namespace {LONG}"} <= {each.get("title") for each in picture.root.iter()}
    arrows = list(picture.root.iter("path"))
    assert len(arrows) == 4 + 4 + 1, "each endpoint's, the callers', and the one that runs back"
