"""Real Jupyter kernels for tests: run cells, interrupt, restart, kill."""

import os
import queue
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jupyter_client import KernelManager

GUARD = 900  # seconds for one cell; only against hanging: one that compares all demos takes minutes on a busy machine
HOME = "a höme # %41?"  # the server once took `#` for the end of its database's name
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Output:
    """What a cell put out.

    Attributes:
        text: Everything as plain text, in order.
        error: The name of the error that ended it; empty if none.
    """

    text: str = ""
    error: str = ""


class Kernel:
    """One kernel with a client."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._manager: Any = KernelManager(kernel_name="python3")
        self._manager.shutdown_wait_time = GUARD  # a kernel that ends by itself is not killed
        self._manager.start_kernel(env={**os.environ, **environment}, cwd=str(folder))
        self._client: Any = None
        self._connect()

    def _connect(self) -> None:
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=GUARD)

    @property
    def pid(self) -> int:
        return int(self._manager.provisioner.process.pid)

    def start(self, code: str) -> str:
        return str(self._client.execute(code))

    def finish(self, sent: str, seconds: float = GUARD) -> Output:
        output, began = Output(), time.monotonic()
        while True:
            left = seconds - (time.monotonic() - began)
            try:
                message = self._client.get_iopub_msg(timeout=max(left, 0.01))
            except queue.Empty:
                raise AssertionError(f"the cell did not end within {seconds} s; so far:\n{output.text}") from None
            if message["parent_header"].get("msg_id") != sent:
                continue
            if self._add(message, output):
                return output

    def wait_for_output(self, sent: str, seconds: float = GUARD) -> str:
        """Wait until a cell that was sent puts something out. Returns that."""
        output = Output()
        while not output.text:
            message = self._client.get_iopub_msg(timeout=seconds)
            if message["parent_header"].get("msg_id") == sent:
                self._add(message, output)
        return output.text

    def run(self, code: str, seconds: float = GUARD) -> Output:
        return self.finish(self.start(code), seconds)

    def ok(self, code: str, seconds: float = GUARD) -> str:
        """Run a cell that must not fail. Returns its text."""
        output = self.run(code, seconds)
        assert not output.error, f"{code}\n\n{output.text}"
        return output.text

    def fails(self, code: str, error: str = "CellError") -> str:
        """Run a cell that must fail in this way. Returns its text."""
        output = self.run(code)
        assert output.error == error, output.text
        return output.text

    @staticmethod
    def _add(message: dict[str, Any], output: Output) -> bool:
        kind, content, text = message["msg_type"], message["content"], ""
        if kind == "stream":
            text = content["text"]
        elif kind in ("display_data", "execute_result", "update_display_data"):
            text = content["data"].get("text/plain", "") + "\n"
        elif kind == "error":
            output.error = content["ename"]
            text = "\n".join(content["traceback"]) + "\n"
        if text:
            output.text += _ANSI.sub("", text)
        return bool(kind == "status" and content["execution_state"] == "idle")

    def interrupt(self) -> None:
        """As the button does: SIGINT to the kernel's process group."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        self._client.stop_channels()
        self._manager.restart_kernel(now=False)
        self._connect()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._manager.provisioner.process.wait()

    def close(self) -> int | None:
        """Shut it down, unless it has ended. Returns its exit status."""
        self._client.stop_channels()
        process, status = self._manager.provisioner.process, None
        if self._manager.is_alive():
            self._manager.shutdown_kernel(now=False)
            status = process.returncode
        self._manager.cleanup_resources()
        return status


def ours(folder: Path) -> list[str]:
    """The command lines of servers, wardens, workers and kernels that have something to do with a folder.

    Not the processes: one may end while it is looked at.
    """
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            about = command + process.environ().get("WORKSHOP_HOME", "")
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        kind = any(part in command for part in ("start-dev", "warden.py", "workshop_lib.programs", "ipykernel", ".mjs"))
        if kind and str(folder) in about:
            found.append(command)
    return found


def wait_until_gone(folder: Path, what: str = "", seconds: float = 60) -> list[str]:
    """Wait until nothing of a folder runs, or nothing of a kind, at most so long. Returns what still does."""
    deadline = time.monotonic() + seconds
    while (left := [command for command in ours(folder) if what in command]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@contextmanager
def kernel(folder: Path, **environment: str) -> Iterator[Kernel]:
    """A kernel whose notebooks keep their state under ``folder``."""
    made = Kernel({"WORKSHOP_HOME": str(folder / HOME), **environment}, folder)
    try:
        yield made
    finally:
        made.close()


def cells(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def run_cells(k: Kernel, sources: list[str]) -> None:
    """Run cells one after another. None may fail, or say something that the text does not talk about."""
    for source in sources:
        output = k.run(source)
        assert not output.error, f"{source}\n\n{output.text}"
        assert not re.search(r"Warning|Traceback|ERROR|DEBUG", output.text), output.text
