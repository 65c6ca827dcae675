"""What a learner has done so far: kept in one file for all notebooks, over restarts."""

from dataclasses import asdict, dataclass
from typing import Any

from workshop_lib.evidence.state import home, read_json, update_json

_FILE = "progress.json"


@dataclass
class Record:
    """One exercise, or one prediction.

    Attributes:
        passed: Whether a check has ever passed.
        checks: How often it was checked.
        hints: How many of its hints were shown.
        error: Why the last check could not be carried out; empty if it could.
        saw: What the last check that passed has seen.
        chosen: The letter that was chosen last; empty for an exercise.
    """

    passed: bool = False
    checks: int = 0
    hints: int = 0
    error: str = ""
    saw: str = ""
    chosen: str = ""


def progress() -> dict[str, Record]:
    """The exercises that were checked or hinted at so far, by their numbers, such as ``"2.1"``."""
    return {number: Record(**record) for number, record in read_json(home() / _FILE).items()}


def remember(exercise: str, **changes: Any) -> Record:
    """Change the record of one exercise, also beside other notebooks that do the same.

    Args:
        exercise: Its number.
        changes: New values of ``Record``'s attributes; an integer is added to the one before.
    """

    def change(content: dict[str, Any]) -> None:
        record = Record(**content.get(exercise, {}))
        for name, value in changes.items():
            setattr(record, name, value if isinstance(value, bool | str) else getattr(record, name) + value)
        content[exercise] = asdict(record)

    update_json(home() / _FILE, change)
    return progress()[str(exercise)]  # JSON has only texts as keys
