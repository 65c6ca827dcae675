"""What is left of a solution when one goes a way through the workshop."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from workshop_lib.views.overview import WAYS, notebooks, only

MAIN = "main path"
SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"
# Each notebook and the ways that skip something of its main path.
PARTLY = [
    (SOLUTIONS / each.file, way)
    for each in notebooks(SOLUTIONS)
    for way in WAYS
    if 0 < sum(way in section.ways for section in each.sections) < sum(section.minutes > 0 for section in each.sections)
]


def chosen(path: Path, way: str) -> NotebookNode:
    """A solution with the sections of a way alone; the main path is what is not optional."""
    notebook = nbformat.read(path, as_version=4)

    def wanted(heading: NotebookNode) -> bool:
        return (
            not heading.source.startswith("## Optional: ") if way == MAIN else way in heading.metadata.get("ways", ())
        )

    notebook.cells = only(notebook.cells, wanted)
    return notebook
