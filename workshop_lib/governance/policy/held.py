"""A call that waits for a person, in a workflow of the owner's namespace."""

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, NexusOperationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from .keeper import KEEPER, PolicyKeeper
    from .rules import Decision

TICKET = "held-call"  # the header with which a call that was approved comes back
_RUNS = timedelta(days=30)  # what was approved may take as long; a signature lasts no longer


@dataclass(frozen=True)
class HeldInput:
    """What a held call needs to know.

    Attributes:
        id: Its own.
        endpoint: The Nexus endpoint that was called.
        service: The Nexus service.
        operation: The operation.
        input: Its input.
        until: Until when somebody may decide, in seconds since 1970.
    """

    id: str
    endpoint: str
    service: str
    operation: str
    input: Any
    until: float


@workflow.defn
class HeldCall:
    """Waits for a person, however long, and then makes the call: once, or not at all."""

    def __init__(self) -> None:
        self._settled: Decision | None = None

    @workflow.run
    async def run(self, held: HeldInput) -> Any:
        """Wait, then return what the operation returns.

        Args:
            held: The call.

        Raises:
            ApplicationError: It was refused (``Refused``), or the operation failed.
        """
        keeper = workflow.get_external_workflow_handle(KEEPER)
        try:
            await keeper.signal(PolicyKeeper.opened, held.id)
            settled = await self._wait(keeper, held)
            if settled.verdict == "deny":
                raise ApplicationError(f"{settled.why}.", type="Refused", non_retryable=True)
            back: workflow.NexusClient[Any] = workflow.create_nexus_client(service=held.service, endpoint=held.endpoint)
            return await back.execute_operation(
                held.operation, held.input, headers={TICKET: held.id}, schedule_to_close_timeout=_RUNS
            )
        except NexusOperationError as error:
            if is_cancelled_exception(error):
                raise
            raise _same(error) from error
        finally:
            with contextlib.suppress(ApplicationError):  # whoever took the keeper away must not take the result away
                await keeper.signal(PolicyKeeper.ended, held.id)

    async def _wait(self, keeper: workflow.ExternalWorkflowHandle[Any], held: HeldInput) -> Decision:
        left = timedelta(seconds=max(0.0, held.until - workflow.now().timestamp()))
        try:
            await workflow.wait_condition(lambda: self._settled is not None, timeout=left)
        except TimeoutError:
            # The keeper has the last word: somebody may have decided at this moment.
            await keeper.signal(PolicyKeeper.silent, held.id)
            await workflow.wait_condition(lambda: self._settled is not None)
        assert self._settled
        return self._settled

    @workflow.signal
    def settle(self, settled: Decision) -> None:
        """What was decided.

        Args:
            settled: What.
        """
        self._settled = settled


def _same(error: NexusOperationError) -> ApplicationError:
    """What the operation failed with, for whoever waits for the held call."""
    cause = error.cause
    kind = getattr(cause, "type", "")
    return ApplicationError(
        str(getattr(cause, "message", cause)), type=str(getattr(kind, "name", kind)) or None, non_retryable=True
    )
