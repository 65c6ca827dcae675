"""The box, the buttons and the questions below a chat, as widgets of the notebook."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import ipywidgets

from workshop_lib.agents.conversation import Line
from workshop_lib.views.chat.transcript import safe

_TEXT_FOLLOWS = 0.25  # seconds


# Without its kernel, a widget would show broken links or, in a notebook that is opened again, an error.
_NO_KERNEL = ".jupyter-widgets-disconnected, .jp-OutputArea-output.jupyter-widgets:not(:has(*)) {display: none}"


def show(widget: Any) -> None:
    """Show a widget below the cell that runs, while its kernel is running. An exported notebook does not have it."""
    from IPython.display import display

    display({"text/html": f"<style>{_NO_KERNEL}</style>", "text/plain": ""}, raw=True)
    display({**widget._repr_mimebundle_(), "text/plain": ""}, raw=True)


def choice(beginning: Any, question: str, decide: Callable[[bool, ipywidgets.HBox], object]) -> ipywidgets.HBox:
    """A row with two buttons, to approve or to refuse.

    Args:
        beginning: The widget before the buttons.
        question: What is decided.
        decide: Is called with whether it is approved, and with the row.
    """
    row = ipywidgets.HBox([beginning], layout={"align_items": "center"})
    for word, yes, style in (("Approve", True, "success"), ("Refuse", False, "danger")):
        button = ipywidgets.Button(description=word, tooltip=f"{word}: {question}", button_style=style)
        button.layout = {"width": "90px", "flex": "0 0 auto"}
        button.on_click(lambda _, yes=yes: decide(yes, row))
        row.children += (button,)
    return row


class Controls:
    """The box and the buttons.

    Args:
        send: Is called with the message that was typed.
        decide: Is called with the number of a question, and whether it is approved. Buttons are off during its task.
        end: Ends the conversation.
    """

    def __init__(
        self,
        send: Callable[[str], object],
        decide: Callable[[int, bool], asyncio.Task[None]],
        end: Callable[[], object],
    ) -> None:
        self._send, self._decide = send, decide
        self._entered = False
        self._rows: dict[int, Any] = {}
        # A continuous box sends each change separately, and the Enter key would overtake the last letters.
        wide = {"flex": "1 1 auto", "width": "auto"}
        self.box = ipywidgets.Text(placeholder="Your message", continuous_update=False, layout=wide)
        self.box.tooltip = self.box.placeholder
        self.send = ipywidgets.Button(description="Send", button_style="primary", layout={"width": "80px"})
        self.end = ipywidgets.Button(description="End", tooltip="End this conversation", layout={"width": "80px"})
        self.questions = ipywidgets.VBox()
        row = ipywidgets.HBox([self.box, self.send, self.end])
        self.all = ipywidgets.VBox([self.questions, row], layout={"max_width": "730px", "margin": "0 0 8px"})
        self.box.on_msg(self._on_message)
        self.box.observe(self._on_text, "value")
        self.send.on_click(lambda _: self._submit_soon())
        self.end.on_click(lambda _: end())

    def follow(self, over: bool, questions: Iterable[Line]) -> None:
        """Show the buttons for the state of the conversation.

        Args:
            over: Whether no more messages can be sent.
            questions: The agent's questions that are not answered.
        """
        for each in (self.box, self.send, self.end):
            each.disabled = over
        asked = {entry.number: entry.text for entry in questions}
        if list(asked) != list(self._rows):
            self._rows = {number: self._rows.get(number) or self._row(number, text) for number, text in asked.items()}
            self.questions.children = list(self._rows.values())

    def _row(self, number: int, question: str) -> Any:
        # A Label would show text between two dollar signs as a formula.
        text = ipywidgets.HTML(f'<div style="line-height:1.4;overflow-wrap:anywhere">{safe(question)}</div>')
        return choice(text, question, partial(self._on_decision, number))

    def _on_decision(self, number: int, yes: bool, row: ipywidgets.HBox) -> None:
        def switch(off: bool) -> None:
            for button in row.children[1:]:
                button.disabled = off

        def done(_: asyncio.Task[None]) -> None:
            switch(off=False)  # after a failure, the buttons are still needed
            self.box.focus()  # otherwise the focus would disappear with them

        switch(off=True)
        self._decide(number, yes).add_done_callback(done)

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if content.get("event") == "submit":
            self._submit_soon()

    def _submit_soon(self) -> None:
        # The browser reports the Enter key before the text, and when the kernel is busy, a click may overtake the text,
        # too. (Sending whenever a text is reported would send half a message after a click elsewhere.)
        self._entered = True
        asyncio.get_running_loop().call_later(_TEXT_FOLLOWS, self._on_text)

    def _on_text(self, _: Any = None) -> None:
        if not self._entered:
            return
        self._entered = False
        text, self.box.value = self.box.value.strip(), ""
        if text and not self.box.disabled:
            self._send(text)
        self.box.focus()
