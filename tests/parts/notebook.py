"""The cells of a notebook for tests: a set-up, a workflow with one activity, a Worker."""

from kernels import Kernel

START = """
from temporalio.client import Client
from temporalio.worker import Worker
from workshop_lib import Workshop, check, hint, history, run
ws = await Workshop.start()
client = await Client.connect(**await ws.connection("default"))
"""

ORDERS = """%%workflow orders
from datetime import timedelta
from temporalio import activity, workflow
with workflow.unsafe.imports_passed_through():
    from workshop_lib.evidence.ledger import note

@activity.defn
async def charge(order: str) -> str:
    note("charge", order=order)
    print("charging", order)
    return f"charged {order}"

@workflow.defn
class ProcessOrder:
    @workflow.run
    async def run(self, order: str) -> str:
        return await workflow.execute_activity(charge, order, start_to_close_timeout=timedelta(minutes=1))
"""

BILLED = ORDERS.replace('f"charged ', 'f"billed ')

WORK = 'worker = ws.run(Worker, client, task_queue="orders", workflows=[ProcessOrder], activities=[charge])'

CODE = "code = dict(workflows=[ProcessOrder], activities=[charge])"

PLACE = """
order = ws.id("order")
print(await client.execute_workflow(ProcessOrder.run, order, id=order, task_queue="orders"))
print("charges:", ws.ledger.count("charge", order=order))
"""

PLACE_APART = PLACE.replace('"orders"', '"apart"')

WAITING = """%%workflow patient
from temporalio import workflow

@workflow.defn
class Patient:
    def __init__(self) -> None:
        self.go = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.go)
        return "went on"

    @workflow.signal
    def proceed(self) -> None:
        self.go = True
"""

WAIT = 'ws.run(Worker, client, task_queue="patient", workflows=[Patient])'


def spawn(name: str, task_queue: str) -> str:
    return f'{name} = await ws.spawn(Worker, client, task_queue="{task_queue}", **code)'


def open_notebook(k: Kernel) -> None:
    for cell in (START, ORDERS, WORK, CODE):
        k.ok(cell)
