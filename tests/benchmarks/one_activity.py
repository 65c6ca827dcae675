"""The workflow that is timed. A module of its own: the sandbox imports it again."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def nothing() -> str:
    return "nothing"


@workflow.defn
class OneActivity:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))
