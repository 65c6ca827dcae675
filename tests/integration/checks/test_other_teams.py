"""A check answers for the teams itself, and the notebook's own Workers go on."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from agents.run import get_default_agent_runner
from answers import made
from temporalio.worker import Worker

from workshop_lib.checks.exercise import check
from workshop_lib.demos import openai_temporal
from workshop_lib.evidence.progress import progress
from workshop_lib.teams.finance import worker as team_finance
from workshop_lib.teams.finance.contract import ENDPOINT
from workshop_lib.workshop import Workshop

pytestmark = [pytest.mark.usefixtures("own_progress", "with_model")]


async def test_the_notebooks_own_worker_of_finance_goes_on(ws: Workshop) -> None:
    own = await ws.spawn("workshop_lib.teams.finance.worker")
    try:
        await check("7.2", made("7.2"))
        assert progress()["7.2"].passed
        assert own.running
        assert (await ws.endpoints())[ENDPOINT] == (team_finance.NAMESPACE, team_finance.TASK_QUEUE)
    finally:
        await ws.stop(own)


async def test_the_notebooks_own_agents_sdk_goes_on(ws: Workshop) -> None:
    client = await openai_temporal.connect(ws)
    own = ws.run(Worker, client, **openai_temporal.WORKER, activity_executor=ThreadPoolExecutor(4))
    try:
        before = get_default_agent_runner()
        await check("8.1", made("8.1"))
        assert progress()["8.1"].passed
        assert own.running
        assert get_default_agent_runner() is before
    finally:
        await ws.stop(own)
