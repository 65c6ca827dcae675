"""Orders through every failure at once: each completed or undone, charged once or refunded once, none lost."""

import ast
import os
from pathlib import Path

from kernels import kernel

HERE = Path(__file__).resolve().parent
LONG = "WORKSHOP_CHAOS" in os.environ
START = """from temporalio.client import Client
from workshop_lib import Workshop
from storm import storm
ws = await Workshop.start()
client = await Client.connect(**await ws.connection("default"))"""


def test_no_order_is_lost_or_charged_twice(tmp_path: Path) -> None:
    orders, server_deaths, seed = (100, 2, int(os.environ.get("WORKSHOP_SEED", "1"))) if LONG else (14, 1, 1)
    with kernel(tmp_path, PYTHONPATH=str(HERE)) as k:
        k.ok(START)
        text = k.ok(f"print('TABLE', await storm(ws, client, {orders}, {server_deaths}, {seed}))", seconds=400)
    table = ast.literal_eval(text.rpartition("TABLE ")[2].strip())
    print("\n".join(f"{count:4}  {what}" for what, count in table.items()))
    assert not [what for what in table if what.startswith("WRONG")], table
    assert sum(count for what, count in table.items() if what.startswith(("completed", "compensated"))) == orders
    assert table["workers that died"] >= 1
    assert table["faults that fired"] >= orders // 4
