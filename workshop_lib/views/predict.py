"""``predict("2.a")``: a question before the cell that answers it, with an explanation for each choice.

The questions are in ``predictions.toml``. The buttons have only letters: the question, the choices and the explanation
are text, which stays in a saved notebook.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import ipywidgets

from workshop_lib.evidence.messages import Display, WorkshopError, in_notebook, say
from workshop_lib.evidence.progress import Record, progress, remember
from workshop_lib.room.tell import tell, unattended
from workshop_lib.views.chat.controls import show

_HOW = "Choose a letter, with a click or with Tab and the space bar."
_NEXT = "Go on, and see what happens."


@dataclass(frozen=True)
class Prediction:
    """One question.

    Attributes:
        question: What it asks.
        right: The letter of the choice that is right.
        choices: By its letter, each choice and its explanation.
    """

    question: str
    right: str
    choices: dict[str, tuple[str, str]]


@cache
def predictions() -> dict[str, Prediction]:
    """All questions, by their ids, such as ``"2.a"``."""
    read = tomllib.loads(files(__package__).joinpath("predictions.toml").read_text(encoding="utf-8"))
    return {
        id: Prediction(entry["question"], entry["right"], dict(zip("ABCDEF", entry["choices"], strict=False)))
        for id, entry in read.items()
    }


def predict(id: str) -> None:
    """Ask what the next cell will show. It waits for nobody.

    A choice is explained at once and remembered, so that it is shown again when the cell is run again. The first one
    goes to the class's board. Where nobody sits, the question answers itself.

    Args:
        id: The question's, such as ``"2.a"``.

    Raises:
        WorkshopError: There is no such question.
    """
    asked = predictions().get(id)
    if asked is None:
        raise WorkshopError(f"There is no prediction {id!r}.", then=f"There are: {', '.join(predictions())}.")
    lines = [f"{letter}. {choice}" for letter, (choice, _) in asked.choices.items()]
    text = "\n".join([f"Predict: {asked.question}", *lines])
    if unattended() or not in_notebook():
        say(f"{text}\n→ {asked.right} is right. {asked.choices[asked.right][1]}")
        return
    say(text)
    before = progress().get(id, Record()).chosen
    buttons = ipywidgets.ToggleButtons(
        options=list(asked.choices),
        value=before or None,
        tooltips=lines,
        description="Your prediction",
        style={"button_width": "3em", "description_width": "initial"},
    )
    show(buttons)
    said = Display()
    _explain(asked, before, said)
    buttons.observe(lambda change: _choose(id, asked, change["new"], said), "value")


def _choose(id: str, asked: Prediction, letter: str, said: Display) -> None:
    _explain(asked, letter, said)
    if not progress().get(id, Record()).chosen:
        right = letter == asked.right
        tell(id, passed=right, mistake="" if right else asked.choices[letter][0], aloud=False)
    remember(id, chosen=letter)


def _explain(asked: Prediction, letter: str, said: Display) -> None:
    if not letter:
        say(_HOW, into=said)
    elif letter == asked.right:
        say(f"✓ {letter} is right. {asked.choices[letter][1]}", "good", said)
    else:
        say(f"✗ {letter} is not right. {asked.choices[letter][1]} {_NEXT}", "warn", said)
