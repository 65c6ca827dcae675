"""A check runs IT's code itself, and leaves the notebook's own Worker of IT alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from answers_nb05 import asks
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from workshop_lib.checks.exercise import check
from workshop_lib.evidence.progress import progress
from workshop_lib.teams.it import worker as team_it
from workshop_lib.teams.offering import SETTINGS
from workshop_lib.workshop import Workshop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("own_progress", "with_model")]


@pytest.mark.parametrize("spawned", [True, False])
async def test_the_notebooks_own_worker_of_it_goes_on(
    ws: Workshop, spawned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if spawned:
        own: Any = await ws.spawn("workshop_lib.teams.it.worker")
    else:
        client = await Client.connect(**await ws.connection("it", data_converter=pydantic_data_converter))
        threads = ThreadPoolExecutor(4)
        own = ws.run(Worker, client, **team_it.WORKER, **SETTINGS, activity_executor=threads)
    try:
        await check("5.2", asks)
        assert progress()["5.2"].passed, capsys.readouterr().out
        assert own.running
    finally:
        await ws.stop(own)
