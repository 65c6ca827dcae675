"""Make the pages beside the notebooks from ``solutions/pages/*.md``.

A page is a notebook without code, which JupyterLab, VS Code and GitHub show rendered.
A line ``{2 hours}`` in it becomes the list of the sections that are tagged so.
"""

from __future__ import annotations

import re
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from workshop_lib.views.overview import WAYS, Notebook, notebooks


def pages(root: Path) -> dict[str, NotebookNode]:
    """The pages, by the names of their files.

    Args:
        root: The checkout.
    """
    made = {}
    for path in sorted((root / "solutions" / "pages").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        for way in WAYS:
            if f"{{{way}}}" in text:
                text = text.replace(
                    f"{{{way}}}", _sections(way, notebooks(root / "solutions"))
                )
        parts = re.split(r"\n(?=## )", text.strip())
        cells = [
            new_markdown_cell(part.strip(), id=f"part-{number}")
            for number, part in enumerate(parts)
        ]
        made[f"{path.stem}.ipynb"] = new_notebook(cells=cells)
    return made


def _sections(way: str, found: list[Notebook]) -> str:
    lines, skipped, at = [], ["## Skip for now", ""], 0
    for each in found:
        run = [section for section in each.sections if way in section.ways]
        skip = [
            section
            for section in each.sections
            if section.minutes and section not in run
        ]
        if not run:
            skipped.append(
                f"- [{each.file[:2]} {each.title}]({each.file}), {each.minutes} minutes"
            )
            continue
        minutes = sum(section.minutes for section in run)
        lines += [
            f"## {each.file[:2]} {each.title}",
            "",
            f"[Open the notebook]({each.file}). {minutes} minutes.",
            "",
        ]
        lines += ["| At | Run | Minutes |", "|---|---|---|"]
        for section in run:
            begins = f"{at // 60}:{at % 60:02}"
            lines.append(
                f"| {begins} | [{section.title}]({section.link}) | {section.minutes} |"
            )
            at += section.minutes
        names = ", ".join(f"*{section.title}* ({section.minutes})" for section in skip)
        lines += [
            "",
            f"Skip: {names}." if skip else "Skip nothing but the optional sections.",
            "",
        ]
    return "\n".join([*lines, *(skipped if len(skipped) > 2 else [])])
