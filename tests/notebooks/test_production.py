"""*From notebook to production*: every block of code on that page is run."""

import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from somebodys import somebodys_server
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from workshop_lib.server.devserver import free_ports

PAGE = (Path(__file__).resolve().parents[2] / "solutions" / "pages" / "from_notebook_to_production.md").read_text()
FILES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE, re.M | re.S))
COMMANDS = [each.strip() for each in re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S)]
LIMIT = 300  # seconds; only a guard against hanging


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder with the page's files, without settings of this machine."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("METRICS_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")
    for name, text in FILES.items():
        Path(name).write_text(text)


def run(command: str) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def until(command: str, said: str) -> None:
    deadline = time.monotonic() + LIMIT
    while said not in run(command):
        assert time.monotonic() < deadline, command
        time.sleep(0.2)


@contextmanager
def running(command: str) -> Iterator[None]:
    """Run a program until it is stopped as a platform does it."""
    *variables, _, file = shlex.split(command)
    env = {**os.environ, **dict(each.split("=") for each in variables)}
    process = subprocess.Popen([sys.executable, file], env=env)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()
        process.wait()


def metrics() -> str:
    with urllib.request.urlopen(f"http://{os.environ['METRICS_ADDRESS']}/metrics", timeout=LIMIT) as answer:
        return str(answer.read(), "utf-8")


@pytest.mark.full
def test_its_programs_run(monkeypatch: pytest.MonkeyPatch) -> None:
    worker, starter, tested, stuck, old, versioned, current = (each for each in COMMANDS if "export" not in each)
    with somebodys_server({}) as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        with running(worker):
            assert "charge-order-1" in run(starter)
            assert not run(stuck)
            assert "Total: 0" in run(old)
            seen = metrics()
        assert "1 passed" in run(tested)

        bug = '        raise RuntimeError("a bug")\n        try:\n'
        Path("workflows.py").write_text(FILES["workflows.py"].replace("        try:\n", bug))
        with running(worker):
            order = """--workflow-id order-2 --input '{"id": "order-2", "amount": 1}'"""
            run(f"temporal workflow start --type CoolingOff --task-queue orders {order}")
            until(stuck, "order-2")
            seen += metrics()
        for name in re.findall(r'temporal_\w+|\w+="\w+"', FILES["alerts.yaml"]):
            assert name in seen, name

        Path("workflows.py").write_text(FILES["workflows.py"])
        with running(versioned):
            until("temporal worker deployment list", "orders")
            assert "v2" in run(current)
            assert "charge-order-3" in run(starter.replace("order-1", "order-3"))
            assert "v2" in run("temporal workflow describe --workflow-id order-3")


@pytest.mark.parametrize("block", [each for each in COMMANDS if "export" in each], ids=["key", "certificate"])
async def test_its_variables_lead_to_temporal_cloud(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict(re.findall(r"^export (\w+)=(.*)", block, re.M))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
        if name.endswith("_PATH"):
            Path(value).write_text(f"the content of {value}")
    client = await Client.connect(**ClientConfig.load_client_connect_config(), lazy=True)
    config = client.service_client.config
    assert (config.target_host, client.namespace) == (given["TEMPORAL_ADDRESS"], given["TEMPORAL_NAMESPACE"])
    assert config.tls
    assert config.api_key == given.get("TEMPORAL_API_KEY")
    if not config.api_key:
        assert getattr(config.tls, "client_private_key", None) == b"the content of client.key"
