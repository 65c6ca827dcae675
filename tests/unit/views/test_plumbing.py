"""Business logic and plumbing are told apart by the rule that the notebooks state."""

from __future__ import annotations

import pytest

from workshop_lib.views.plumbing import count

NAMES = {"charge", "ship", "Order"}


@pytest.mark.parametrize(
    ("source", "business", "plumbing"),
    [
        ("import charge\n# charge\n\n'''charge'''\nfrom a import charge\n", 0, 0),
        ("try:\n    charge(order)\nexcept OSError:\n    time.sleep(1)\n", 1, 3),
        ("charge(\n    order,\n\n    limit=5,  # charge\n)\nrecharge()\n", 5, 1),
        ("@run\nasync def run(self, order: Order):\n    '''Run.'''\n    await execute('charge')\n", 1, 2),
        ("with store() as database:\n    database.charge(1)\n", 1, 1),
    ],
)
def test_each_line_is_one_or_the_other(source: str, business: int, plumbing: int) -> None:
    assert count(source, NAMES) == (business, plumbing)
