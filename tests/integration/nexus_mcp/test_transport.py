"""MCP's own client in a workflow, in the sandbox, over Nexus."""

from shoppers import Speaker
from temporalio.client import Client
from temporalio.worker import Replayer, Worker

from workshop_lib.evidence.history import history
from workshop_lib.nexus_mcp.transport import SANDBOX
from workshop_lib.workshop import Workshop


async def test_requests_are_operations_and_a_replay_makes_the_same(ws: Workshop, client: Client) -> None:
    await ws.spawn("workshop_lib.teams.finance.worker")
    ws.run(Worker, client, task_queue="speakers", workflows=[Speaker], workflow_runner=SANDBOX, max_cached_workflows=0)
    calls = [
        ("stock_price", {"ticker": "ACME"}),
        ("stock_price", {"ticker": "NOPE"}),
        ("stock_price", {"tikcer": "ACME"}),
        ("sell_everything", {}),
    ]
    handle = await client.start_workflow(
        Speaker.run, args=["finance", calls], id=ws.id("speaker"), task_queue="speakers"
    )
    told = await handle.result()
    assert told[:3] == ["stock_price", "calculate_roi", 'fine: {"ticker": "ACME", "price": 120.6}']
    assert told[3].startswith("error: Error: stock_price failed (UnknownTicker).")
    assert told[4].startswith("error: Invalid arguments for stock_price.")
    assert told[5].startswith("refused: Unknown tool 'sell_everything'.")
    asked = [step.name for step in (await history(handle)).steps if step.kind == "nexus operation"]
    assert asked == ["tools", "stock_price", "stock_price", "tools"], "what cannot be right is not sent"
    await Replayer(workflows=[Speaker], workflow_runner=SANDBOX).replay_workflow(await handle.fetch_history())
