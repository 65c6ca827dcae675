"""Start a process that ends with this one, can really be killed, and survives an interrupted cell."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from workshop_lib.evidence.failures import cell_line, describe
from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import Lock
from workshop_lib.workers import warden

_LONGEST = 400  # characters of a message


def leave(status: int) -> NoReturn:
    """End this process at once: the SDK's threads can abort an interpreter while it shuts down (exit code 134).

    Args:
        status: The exit status.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def fail(error: Exception) -> NoReturn:
    """End this process because of an error, which becomes the last line of its log. See ``Process.last_words``."""
    traceback.print_exception(error)
    print(" ".join(describe(error)[-1].split()), file=sys.stderr)
    leave(1)


class Process:
    """One command under a warden (see ``warden.py``).

    Args:
        command: The program and its arguments.
        log: The file for its standard error, and for its standard output unless ``piped``.
        environment: Its whole environment.
        folder: Its working directory; None for this process's.
        piped: Whether this process reads its standard output, as ``Process.stdout``.
        lock: A lock that the command holds for as long as it runs, even after this process has ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path | None = None,
        piped: bool = False,
        lock: Lock | None = None,
    ) -> None:
        self.log = log
        held = [lock.fileno()] if lock else []
        read, write = os.pipe()
        under = [sys.executable, "-I", "-S", warden.__file__, str(write), ",".join(map(str, held))]
        with open(log, "ab") as output:
            self._warden = subprocess.Popen(
                [*under, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                env=environment,
                cwd=folder,
                start_new_session=True,
                pass_fds=[write, *held],
            )
        self.stdout = self._warden.stdout
        os.close(write)
        with open(read, "rb") as report:
            answer = report.read()
        if not answer:
            self._warden.wait()
            then = "Run `make doctor`, which checks what it needs."
            raise WorkshopError(f"{command[0]} could not be started.", self.last_words(), then)
        self.pid = int(answer)

    @property
    def running(self) -> bool:
        """Whether the command is running."""
        return self._warden.poll() is None

    def last_words(self) -> str:
        """The last line of its log, with the line of the ``%%workflow`` cell that it is about.

        A long line is cut in its middle, because a chain of errors gives the reason at its end.
        """
        text = self.log.read_text(errors="replace").strip()
        last, where = (text.splitlines() or ["It left no message."])[-1], cell_line(text)
        short = last if len(last) <= _LONGEST else f"{last[: _LONGEST // 4]} … {last[-_LONGEST * 3 // 4 :]}"
        return short + (f" ({where})" if where and where not in last else "")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command itself."""
        with contextlib.suppress(ProcessLookupError):  # it may end just before the signal
            if self.running:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End the command with SIGKILL, which leaves it no time to clean up."""
        self.signal(signal.SIGKILL)

    async def wait(self, seconds: float) -> bool:
        """Wait until the command has ended, for at most this many seconds. Returns whether it has."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        if ended := not self.running:
            self.close()
        return ended

    def close(self) -> None:
        """Kill the command and its children, without waiting for them to end."""
        assert self._warden.stdin is not None
        self._warden.stdin.close()
