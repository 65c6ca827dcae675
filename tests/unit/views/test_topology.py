"""The topology: who counts as alive where the process is not ours."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.taskqueue.v1 import PollerInfo

from workshop_lib.views.topology import Queue, _judge


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
