"""The topology's drawing, from queues made by hand; and who counts as alive where the process is not ours."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import combinations
from types import SimpleNamespace
from typing import Any, cast

import pytest
from drawings import Drawn, apart
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


def test_boxes_stand_apart_and_what_is_cut_can_be_read() -> None:
    """Callers on both sides, endpoints that lead to the same queue, and names that fit nowhere."""
    handlers = Queue("it", "desk", {"process 1": {"nexus"}}, endpoints={"a", "b", LONG}, calls={"f"})
    finance = Queue("finance", LONG, {"process 2": {"workflow"}}, endpoints={"f"})
    callers = [Queue(LONG, name, {"process 3": {"workflow"}}, calls={"a", "f"}) for name in ("agents", LONG)]
    found = Found(
        {"it": [handlers], "finance": [finance], LONG: callers},
        {"a": handlers, "b": handlers, LONG: handlers, "f": finance},
    )
    picture = Drawn(draw(found))
    boxes = picture.boxes
    assert len(boxes) == 3 + 4 + 4
    assert all(x > 0 and right < picture.right and y > 0 and bottom < picture.bottom for x, y, right, bottom in boxes)
    for first, second in combinations(boxes, 2):
        inner, outer = (first, second) if first[2] - first[0] < second[2] - second[0] else (second, first)
        within = outer[0] < inner[0] and outer[1] < inner[1] and inner[2] < outer[2] and inner[3] < outer[3]
        assert apart(first, second) or within
    assert picture.cut == {LONG, f"task queue {LONG}", f"namespace {LONG}"}
    assert len(picture.shapes("path", d="C")) == 4 + 4 + 1, "each endpoint's, the callers', and the one that runs back"
