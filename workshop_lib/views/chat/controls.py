"""The box, the buttons and the questions below a chat, as widgets of the notebook."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from workshop_lib.views.chat.transcript import safe

if TYPE_CHECKING:
    from workshop_lib.views.chat.chat import Chatter

_TEXT_FOLLOWS = 0.25  # seconds


class Controls:
    """What a person types into and clicks.

    Args:
        chat: Does what they ask for.
    """

    def __init__(self, chat: Chatter) -> None:
        import ipywidgets

        self._chat = chat
        self._entered = False
        self._rows: dict[int, Any] = {}
        self._new = ipywidgets
        wide = {"flex": "1 1 auto", "width": "auto"}
        # Each change of a continuous box is sent by itself, and the Enter key would overtake the last letters.
        self.box = ipywidgets.Text(
            placeholder="Your message", tooltip="Your message", continuous_update=False, layout=wide
        )
        self.send = ipywidgets.Button(description="Send", button_style="primary", layout={"width": "80px"})
        self.end = ipywidgets.Button(description="End", tooltip="End this conversation", layout={"width": "80px"})
        self._questions = ipywidgets.VBox()
        row = ipywidgets.HBox([self.box, self.send, self.end])
        self._all = ipywidgets.VBox([self._questions, row], layout={"max_width": "730px"})
        self.box.on_msg(self._on_message)
        self.box.observe(self._on_text, "value")
        self.send.on_click(lambda _: self._submit_soon())
        self.end.on_click(lambda _: self._chat.start(self._chat.end()))
        self.follow()

    def show(self) -> None:
        """Put them below the cell that runs. What is exported or saved without a kernel says nothing of them."""
        from IPython.display import display

        display({**self._all._repr_mimebundle_(), "text/plain": ""}, raw=True)

    def follow(self) -> None:
        """Have the buttons that the state of the conversation asks for."""
        for each in (self.box, self.send, self.end):
            each.disabled = self._chat.over
        asked = {entry.number: entry.text for entry in self._chat.questions}
        if list(asked) != list(self._rows):
            self._rows = {number: self._rows.get(number) or self._row(number, text) for number, text in asked.items()}
            self._questions.children = list(self._rows.values())

    def _row(self, number: int, question: str) -> Any:
        # Not a Label: it would set what stands between two dollar signs as mathematics.
        text = self._new.HTML(f'<div style="line-height:1.4;overflow-wrap:anywhere">{safe(question)}</div>')
        buttons: list[Any] = []
        for word, yes, style in (("Approve", True, "success"), ("Refuse", False, "danger")):
            button = self._new.Button(description=word, tooltip=f"{word}: {question}", button_style=style)
            button.layout = {"width": "90px", "flex": "0 0 auto"}
            button.on_click(partial(self._decide, number, yes, buttons))
            buttons.append(button)
        return self._new.HBox([text, *buttons], layout={"align_items": "center"})

    def _decide(self, number: int, yes: bool, buttons: list[Any], _: Any) -> None:
        async def decide() -> None:
            for button in buttons:
                button.disabled = True
            try:
                await self._chat.decide(number, yes)
            finally:  # if it failed, they are still there
                for button in buttons:
                    button.disabled = False
            self.box.focus()  # the buttons, and the focus with them, are gone

        self._chat.start(decide())

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if content.get("event") == "submit":
            self._submit_soon()

    def _submit_soon(self) -> None:
        # The browser tells of the Enter key before it tells of the text, if it has not told of it already; a click can
        # overtake the text, too, when the kernel is busy. (To send whatever the box tells of, whenever it does, would
        # send half a message for everybody who clicks elsewhere.)
        self._entered = True
        asyncio.get_running_loop().call_later(_TEXT_FOLLOWS, self._on_text)

    def _on_text(self, _: Any = None) -> None:
        if self._entered:
            self._submit()

    def _submit(self) -> None:
        self._entered = False
        text, self.box.value = self.box.value.strip(), ""
        if text and not self._chat.over:
            self._chat.send(text)
        self.box.focus()
