"""Business logic and plumbing are told apart by the rule that the notebooks state."""

from __future__ import annotations

import pytest

from workshop_lib.views.plumbing import count

NAMES = {"charge", "ship", "Order"}


@pytest.mark.parametrize(
    ("source", "business", "plumbing"),
    [
        ("charge(order)\nship(order)\n", 2, 0),
        ("import charge\n# charge\n\n'''charge'''\n", 0, 0),
        ("for attempt in range(3):\n    charge(order)\n", 1, 1),
        ("try:\n    charge(order)\nexcept OSError:\n    time.sleep(1)\n", 1, 3),
        ("charge(\n    order,\n    limit=5,\n)\n", 4, 0),
        ("def process(order: Order) -> None:\n    '''Process.'''\n    pass\n", 1, 1),
        (
            "@defn\nclass Orders:\n    @run\n    async def run(self, order: Order):\n        await execute(charge)\n",
            3,
            2,
        ),
        ("if ship:\n    pass\nelse:\n    log()\n", 1, 2),
        ("with store() as database:\n    database.charge(1)\n", 1, 1),
        ("def charge():\n    return 1\n", 1, 1),
        ("a = [\n    ship,\n]\nb = 1\n", 3, 1),
    ],
)
def test_each_line_is_one_or_the_other(source: str, business: int, plumbing: int) -> None:
    assert count(source, NAMES) == (business, plumbing)
