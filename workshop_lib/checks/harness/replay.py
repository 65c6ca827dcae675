"""See what a waiting Workflow will do when its timer fires: replay its history with that event added."""

from __future__ import annotations

from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle


async def asked_after_timer(client: Client, handle: WorkflowHandle[Any, Any], workflow: type) -> list[str]:
    """The activities that a run asks for from its beginning until its first timer has fired, and right after that.

    Args:
        client: Its data converter reads the run's arguments.
        handle: The run, which waits for its first timer.
        workflow: Its class.
    """
    events = list((await handle.fetch_history()).events)
    timer = next(event for event in events if event.HasField("timer_started_event_attributes"))
    added = {
        "timer_fired": {
            "timer_id": timer.timer_started_event_attributes.timer_id,
            "started_event_id": timer.event_id,
        },
        "workflow_task_scheduled": {"attempt": 1},
        "workflow_task_started": {"scheduled_event_id": len(events) + 2},
    }
    for name, attributes in added.items():
        kind = EventType.Value(f"EVENT_TYPE_{name.upper()}")
        content: dict[str, Any] = {f"{name}_event_attributes": attributes, "event_time": timer.event_time}
        events.append(HistoryEvent(event_id=len(events) + 1, event_type=kind, **content))
    noting = _Noting()
    replayer = Replayer(workflows=[workflow], interceptors=[noting], data_converter=client.data_converter)
    await replayer.replay_workflow(WorkflowHistory(handle.id, events), raise_on_replay_failure=False)
    return noting.asked


class _Noting(Interceptor):
    """Notes which activities Workflows ask for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        asked = self.asked

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
                asked.append(input.activity)
                return super().start_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound
