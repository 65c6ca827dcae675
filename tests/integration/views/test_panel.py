"""The panel of failures, interrupted. Notebook 02 has it run to its end."""

import asyncio
import json
from typing import Any

import pytest
from temporalio.client import Client
from waits import until

from workshop_lib.evidence.messages import WorkshopError
from workshop_lib.views import panel as viewing
from workshop_lib.views.panel import panel
from workshop_lib.workshop import Workshop


async def test_a_failure_that_there_is_not_is_named(ws: Workshop) -> None:
    place: Any = None  # no order comes
    with pytest.raises(WorkshopError, match="no such"):
        await panel(place, ["no such"], script=["no such"], seconds=0)


async def test_interrupted_it_switches_everything_off(
    ws: Workshop, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def place() -> Any:
        return await client.start_workflow("SafeOrder", id=ws.id("order"), task_queue="nobody")

    shown: list[Any] = []
    monkeypatch.setattr(viewing, "in_notebook", lambda: True)
    monkeypatch.setattr(viewing, "show", shown.append)

    def on() -> Any:
        return json.loads(ws._faults.file.read_text())

    running = asyncio.create_task(panel(place, ["server.dies", "charge_once.is_slow"], script=["charge_once.is_slow"]))
    await until(lambda: on() or running.done())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not on()
    assert all(button.disabled for button in shown[0].children), "a press would hit the next cells"
    others = [task for task in asyncio.all_tasks() if "keep_coming" in repr(task)]
    assert not [task for task in others if not task.cancelling()]
    await ws.terminate(await ws.open_executions(["SafeOrder"]), "the test is over")
