"""Make ``notebooks/``, which learners open, from ``solutions/``, which people edit.

``make_pages.py`` makes the pages beside them.

An answer stands between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` (nbgrader's
convention). It is cut out, and a stub takes its place. Outputs, counts and a person's
own metadata are dropped on both sides. `make notebooks` runs this file.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from make_pages import pages

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = (
    "# your code here",
    'raise ApplicationError("not solved yet", non_retryable=True)',
)
_OPTIONAL = re.compile(r"#+ Optional: ")
_KEPT = (
    "minutes",
    "tags",
    "ways",
)  # of a cell's metadata
_IN_A_CLASS = re.compile(r"@|\w+: ")  # how a decorated method and a field begin
_METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def cut(source: str) -> str:
    """A cell's text without its answers.

    Inside a function a stub that fails for good takes their place: ``ApplicationError``
    must be imported in the cell. At the left margin, and where a decorated method or a
    field is the answer, only the comment does: raising there would stop the notebook.

    Args:
        source: The cell with its answers.

    Raises:
        ValueError: A mark has no partner.
    """
    kept: list[str] = []
    inside = False
    lines = source.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        mark = line.strip()
        if mark in (BEGIN, END) and inside != (mark == END):
            raise ValueError(f"{mark} without its partner")
        if mark == BEGIN:
            indent = line[: len(line) - len(line.lstrip())]
            raises = indent and not _IN_A_CLASS.match(following.strip())
            kept += [indent + text for text in (STUB if raises else STUB[:1])]
        if mark in (BEGIN, END):
            inside = not inside
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"{BEGIN} without its partner")
    return "\n".join(kept)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """A notebook as it is committed: no outputs, no metadata but kernel and ``_KEPT``.

    JupyterLab opens it with the sections collapsed whose heading begins "Optional:".
    """
    notebook.metadata = NotebookNode(_METADATA)
    for cell in notebook.cells:
        cell.metadata = NotebookNode(
            {name: cell.metadata[name] for name in _KEPT if name in cell.metadata}
        )
        if cell.cell_type == "markdown" and _OPTIONAL.match(cell.source):
            cell.metadata["jp-MarkdownHeadingCollapsed"] = True
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def for_learners(solution: NotebookNode) -> NotebookNode:
    """A notebook with its answers cut out. Cell ids stay."""
    for cell in solution.cells:
        if cell.cell_type == "code":
            cell.source = cut(cell.source)
    return tidy(solution)


def generate(root: Path, write: bool) -> list[str]:
    """Bring ``solutions/`` in order and ``notebooks/`` up to date.

    Args:
        root: The checkout.
        write: Whether to write; if not, only compare.

    Returns:
        The files that differ, or differed, from what they should be, relative to the
        checkout.

    Raises:
        ValueError: A solution's marks do not match; it is named.
    """
    wanted: dict[Path, str] = {}
    for path in sorted((root / "solutions").glob("*.ipynb")):
        try:
            wanted[path] = _text(tidy(nbformat.read(path, as_version=4)))
            wanted[root / "notebooks" / path.name] = _text(
                for_learners(nbformat.read(path, as_version=4))
            )
        except ValueError as error:
            raise ValueError(f"solutions/{path.name}: {error}") from error
    for name, page in pages(root).items():
        wanted[root / "notebooks" / name] = _text(tidy(page))
    differing = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text() != text
    ]
    left_over = [
        path for path in (root / "notebooks").glob("*.ipynb") if path not in wanted
    ]
    if write:
        for path in differing:
            path.write_text(wanted[path])
        for path in left_over:
            path.unlink()
    return [str(path.relative_to(root)) for path in [*differing, *left_over]]


def _text(notebook: NotebookNode) -> str:
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


def main() -> int:
    """Write, or with ``--check`` only compare. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Make notebooks/ from solutions/.")
    parser.add_argument(
        "--check", action="store_true", help="only compare, and fail if they differ"
    )
    check = parser.parse_args().check
    try:
        differing = generate(Path(__file__).resolve().parent.parent, write=not check)
    except ValueError as error:
        print(f"{error}\n→ Fix the marks and try again.", file=sys.stderr)
        return 1
    if not differing:
        print("notebooks/ fits solutions/.")
        return 0
    print(("Out of date: " if check else "Brought up to date: ") + ", ".join(differing))
    if check:
        print("→ Edit solutions/, then run `make notebooks`.")
    return int(check)


if __name__ == "__main__":
    sys.exit(main())
