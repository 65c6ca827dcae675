"""JupyterLab, started as a learner starts it."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernels import wait_until_gone

from workshop_lib.server.devserver import free_ports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LIMIT = 300  # seconds; only a guard against hanging


@dataclass(frozen=True)
class Lab:
    address: str
    folder: Path


@contextmanager
def jupyterlab(folder: Path, *options: str) -> Iterator[Lab]:
    """JupyterLab in a folder, until its kernels have ended, too.

    Args:
        folder: Which it shows, with a folder of notebooks.
        options: More of its options.
    """
    (port,) = free_ports(1)
    usual = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=t"]
    command = [sys.executable, "-m", "jupyter", "lab", *usual, "--allow-root", f"--ServerApp.root_dir={folder}"]
    environment = {**os.environ, "WORKSHOP_HOME": str(folder / "home"), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + LIMIT
        while not _answers(f"{address}/api/status?token=t"):
            assert server.poll() is None, (folder / "lab.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Lab(address, folder)
    finally:
        server.terminate()
        server.wait(LIMIT)
    assert not wait_until_gone(folder), "JupyterLab's end is its kernels' end, and theirs that of their servers"


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=LIMIT):
            return True
    except OSError:
        return False
