"""A kernel killed at any moment leaves nothing running, and its notebook opens again. `make chaos` does many rounds."""

import os
import random
import time
from pathlib import Path

from kernels import kernel, wait_until_gone
from notebook import CODE, ORDERS, PLACE, START, WORK, open_notebook, spawn

ROUNDS = int(os.environ.get("WORKSHOP_CHAOS", "3"))


def test_sigkill_at_any_moment(tmp_path: Path) -> None:
    magic = f"get_ipython().run_cell_magic('workflow', 'orders', {ORDERS.partition(chr(10))[2]!r})"
    everything = "\n".join([START, magic, WORK, CODE, spawn("process", "apart"), PLACE])
    moments = random.Random(7)
    for number in range(ROUNDS):
        after = moments.uniform(0.2, 1.8)  # from the first import to after the first order
        with kernel(tmp_path, JPY_SESSION_NAME="/class/nb.ipynb") as k:
            k.start(everything)
            time.sleep(after)
            k.kill()
            left = wait_until_gone(tmp_path)
            assert not left, f"round {number}, after {after:.2f} s: {left}"
    with kernel(tmp_path, JPY_SESSION_NAME="/class/nb.ipynb") as k:
        open_notebook(k)
        assert "charges: 1" in k.ok(PLACE)
