"""The embedded server: loopback only, killed and restarted with workflows in flight, explained where it fails."""

import asyncio
import os
import socket
from pathlib import Path

import flows
import psutil
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.evidence.state import StateFolder
from workshop_lib.server import devserver
from workshop_lib.server.devserver import DevServer
from workshop_lib.workers.process import Process
from workshop_lib.workshop import Workshop


async def test_it_listens_on_loopback_only(ws: Workshop) -> None:
    assert ws.server.pid is not None
    listening = [c for c in psutil.Process(ws.server.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert len(listening) >= 4
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
    # Else it asks version-info.temporal.io when it starts, past any proxy.
    assert psutil.Process(ws.server.pid).environ()["TEMPORAL_VERSION_CHECK_DISABLED"] == "1"


async def test_killed_in_the_middle_of_workflows_it_goes_on(ws: Workshop, client: Client) -> None:
    queue = ws.id("queue")
    ws.run(Worker, client, task_queue=queue, workflows=[flows.Stubborn])
    handles = [await client.start_workflow(flows.Stubborn.run, id=ws.id("s"), task_queue=queue) for _ in range(5)]
    assert not await handles[0].query(flows.Stubborn.state)
    address, pid = ws.server.address, ws.server.pid
    await ws.server.kill()
    assert ws.server.pid is None
    assert not psutil.pid_exists(pid or 0)
    await ws.server.restart()
    assert ws.server.address == address, "clients reconnect by themselves"
    for handle in handles:
        await handle.signal(flows.Stubborn.proceed)
    assert await asyncio.gather(*(handle.result() for handle in handles)) == ["went on"] * 5


async def test_endpoints_outlive_the_server_and_are_moved_when_made_again(ws: Workshop, client: Client) -> None:
    finance = await Client.connect(**await ws.connection("finance"))
    endpoint = await ws.endpoint("lasting", namespace="finance", task_queue="finance")
    offered = {"workflows": [flows.Echo], "nexus_service_handlers": [flows.SumsHandler()]}
    ws.run(Worker, finance, task_queue="finance", **offered)
    await ws.server.restart()
    ws.run(Worker, client, task_queue="callers", workflows=[flows.Caller])
    name, start = ws.id("text"), flows.Caller.run
    assert await client.execute_workflow(start, args=[endpoint, name], id=name, task_queue="callers") == f"{name}-2"
    await asyncio.gather(*(ws.endpoint("moving", namespace="default", task_queue="both") for _ in range(4)))
    for queue in ("here", "there", "there"):
        await ws.endpoint("moving", namespace="default", task_queue=queue)
        assert (await ws.endpoints())["moving"] == ("default", queue)


async def test_only_a_taken_port_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Clients know the gRPC address: a squatter on the Web UI's port must not move it."""
    server = DevServer(StateFolder(tmp_path))
    await server.start()
    address, ui = server.address, server.ui_url
    await server.kill()
    for taken in (ui, address):
        with socket.create_server(("127.0.0.1", int(taken.rsplit(":", 1)[1]))):
            await server.restart()
            assert server.ui_url != ui
            assert (server.address == address) == (taken == ui)
        await server.kill()
    assert f"the server is now at {server.address}" in capsys.readouterr().out
    await server.close()


async def test_what_a_killed_process_started_ends_with_it(tmp_path: Path) -> None:
    parent = Process(["sh", "-c", "sleep 61.7 & wait"], log=tmp_path / "log", environment=os.environ)
    async with asyncio.timeout(60):
        while not (children := psutil.Process(parent.pid).children()):
            await asyncio.sleep(0.01)
    parent.kill()
    assert await parent.wait(60)
    assert not psutil.wait_procs(children, timeout=60)[1]


async def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(devserver.DYNAMIC_CONFIG, "no such key", "{not json")
    with pytest.raises(WorkshopError, match="did not start") as raised:
        await DevServer(StateFolder(tmp_path)).start()
    assert "dynamic config" in str(raised.value)
    assert "make doctor" in str(raised.value)


async def test_a_half_made_database_is_replaced(tmp_path: Path) -> None:
    """As after a SIGKILL in the first tenth of a second."""
    (tmp_path / "temporal.db").write_bytes(b"half a database")
    server = DevServer(StateFolder(tmp_path))
    await server.start()
    client = await Client.connect(server.address)
    await client.start_workflow("X", id="kept", task_queue="q")
    await asyncio.gather(server.restart(), server.restart(), server.start())
    assert (await client.get_workflow_handle("kept").describe()).id == "kept", "one that was in use is not touched"
    await server.close()
