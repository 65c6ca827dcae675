"""An agent without a model, whose questions take operations of two other teams."""

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.finance.contract import Finance, RoiQuery, StockQuery
    from workshop_lib.teams.it.contract import IT, HostQuery

LIMIT = timedelta(seconds=60)


@activity.defn
async def think() -> None:
    """Be there in the history, as a model's call is."""


@workflow.defn
class Asker:
    def __init__(self) -> None:
        self.ended = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.ended and workflow.all_handlers_finished())

    @workflow.update
    async def ask(self) -> None:
        await workflow.execute_activity(think, start_to_close_timeout=LIMIT)
        finance = workflow.create_nexus_client(service=Finance, endpoint="finance")
        desk = workflow.create_nexus_client(service=IT, endpoint="it")
        await desk.execute_operation(IT.get_ip, HostQuery("db-1"), schedule_to_close_timeout=LIMIT)
        await finance.execute_operation(Finance.stock_price, StockQuery("ACME"), schedule_to_close_timeout=LIMIT)
        await finance.execute_operation(Finance.calculate_roi, RoiQuery(100, 120), schedule_to_close_timeout=LIMIT)

    @workflow.signal
    def end(self) -> None:
        self.ended = True
