"""Make the talk's slides from ``slides.md`` and the notebooks that `make book` has executed. `make slides` runs this.

A line ``Show: 01/plain`` puts a notebook's cell on the slide, with its output; ``Output: 01/plain`` only the output.
What follows ``Notes:`` is for the speaker's view.
"""

import functools
import html
import re
import sys
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import Python3Lexer

_CELL = re.compile(r"^(Show|Output): (\d\d)/(\S+)\n", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Governance for AI agents with Temporal Nexus</title>
<link rel="stylesheet" href="reveal/dist/reveal.css">
<link rel="stylesheet" href="reveal/dist/theme/white.css">
<link rel="stylesheet" href="slides.css">
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/plugin/notes/notes.js"></script>
<script>Reveal.initialize({{hash: true, slideNumber: "c/t", width: 1280, height: 720, center: false,
 margin: 0.03, transition: "none", plugins: [RevealNotes]}})</script>
"""


@functools.cache
def _cells(path: Path) -> list[NotebookNode]:
    return list(nbformat.read(path, as_version=4).cells)


def cell_of(notebooks: Path, number: str, id: str) -> tuple[str, NotebookNode, str]:
    """A cell of an executed notebook.

    Args:
        notebooks: The folder of executed notebooks.
        number: The notebook's, such as ``"01"``.
        id: The cell's.

    Returns:
        The notebook's name, the cell, and the heading of its section.

    Raises:
        LookupError: There is no such cell.
    """
    heading = ""
    for path in notebooks.glob(f"{number}_*.ipynb"):
        for cell in _cells(path):
            found = re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else []
            heading = found[-1] if found else heading
            if cell.id == id:
                return path.stem, cell, heading
    raise LookupError(f"slides.md: no notebook {number} has a cell {id!r}.")


def shown(mode: str, cell: NotebookNode) -> str:
    """A cell and its outputs, or only these, as HTML."""
    parts = [highlight(cell.source, Python3Lexer(), HtmlFormatter(noclasses=True))] if mode == "Show" else []
    for output in cell.outputs:
        data = output.get("data", {})
        text = output.get("text") or data.get("text/plain", "")
        plain = f"<pre>{html.escape(_ANSI.sub('', text))}</pre>" if text.strip() else ""
        parts.append(data.get("text/html") or plain)
    return "\n".join(f'<div class="output">{part}</div>' for part in parts if part)


def slide(text: str, notebooks: Path) -> str:
    """One slide as HTML.

    Args:
        text: Its Markdown, with the lines that name cells.
        notebooks: The folder of executed notebooks.
    """
    text, _, notes = text.partition("\nNotes:")
    cells = [(mode, *cell_of(notebooks, number, id)) for mode, number, id in _CELL.findall(text + "\n")]
    body = MarkdownIt().render(_CELL.sub("", text + "\n"))
    outputs = "".join(shown(mode, cell) for mode, _, cell, _ in cells)
    sources = " · ".join(dict.fromkeys(f"{name}, <i>{heading}</i>" for _, name, _, heading in cells))
    aside = f'<aside class="notes">{MarkdownIt().render(notes)}</aside>'
    return f'<section>{body}<div class="outputs">{outputs}</div><p class="source">{sources}</p>{aside}</section>'


def make(notebooks: Path) -> str:
    """All slides as one page.

    Args:
        notebooks: The folder of executed notebooks.

    Raises:
        LookupError: A slide names a cell that is not there.
    """
    text = (Path(__file__).parent / "slides.md").read_text(encoding="utf-8")
    slides = re.split(r"^(?=##? )", text, flags=re.MULTILINE)[1:]
    return _PAGE.format(slides="\n".join(slide(each, notebooks) for each in slides))


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(make(Path(sys.argv[1])), encoding="utf-8")
