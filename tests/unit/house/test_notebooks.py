"""``notebooks/`` is made from ``solutions/``; both keep the workshop's conventions."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from make_notebooks import BEGIN, END, cut, generate
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = sorted([*(ROOT / "solutions").glob("*.ipynb"), *(ROOT / "notebooks").glob("*.ipynb")])


HEADING = re.compile(r"^#+ .+", re.M)
FIELD = "    ### BEGIN SOLUTION\n    b: int = 1\n    ### END SOLUTION\n"
BLOCK = FIELD.replace("b: int", "b")
STUB = '    # your code here\n    raise ApplicationError("not solved yet", non_retryable=True)'


@pytest.mark.parametrize(
    ("source", "learners"),
    [
        (f"def f():\n    a = 1\n{BLOCK}", f"def f():\n    a = 1\n{STUB}"),
        (f"def f():\n{BLOCK}\ndef g():\n{BLOCK}", f"def f():\n{STUB}\n\ndef g():\n{STUB}"),
        ("x = 1\n### BEGIN SOLUTION\nx = 2\n### END SOLUTION\ny = 3", "x = 1\n# your code here\ny = 3"),
        (f"class C:\n    a: int\n{FIELD}", "class C:\n    a: int\n    # your code here"),
    ],
    ids=["a function", "two functions", "at the margin", "fields or methods"],
)
def test_answers_are_cut_out(source: str, learners: str) -> None:
    assert cut(source) == learners


@pytest.mark.parametrize("source", [BEGIN, END, f"{BEGIN}\n{BEGIN}\n{END}", f"{BEGIN}\n{END}\n{END}"])
def test_marks_without_their_partners_are_refused(source: str) -> None:
    with pytest.raises(ValueError, match="partner"):
        cut(source)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one solution."""
    for name in ("solutions", "notebooks"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "solutions" / "00_start_here.ipynb", tmp_path / "solutions")
    return tmp_path


def test_drift_is_found_and_fixed(checkout: Path) -> None:
    assert generate(checkout, write=False) == ["notebooks/00_start_here.ipynb"]
    assert generate(checkout, write=True) == ["notebooks/00_start_here.ipynb"]
    assert generate(checkout, write=False) == []
    made = checkout / "notebooks" / "00_start_here.ipynb"
    made.write_text(made.read_text().replace("Start the workshop", "Begin"))
    assert generate(checkout, write=False) == ["notebooks/00_start_here.ipynb"]
    (checkout / "notebooks" / "99_left_over.ipynb").write_text("{}")
    generate(checkout, write=True)
    assert sorted(path.name for path in (checkout / "notebooks").iterdir()) == ["00_start_here.ipynb"]


def test_a_solution_that_was_run_is_tidied(checkout: Path) -> None:
    generate(checkout, write=True)
    path = checkout / "solutions" / "00_start_here.ipynb"
    clean, notebook = path.read_text(), read(path)
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    code.outputs = [nbformat.v4.new_output("stream", text="secret")]
    code.execution_count, notebook.metadata["kernelspec"]["name"] = 7, "my-kernel"
    nbformat.write(notebook, path)
    assert generate(checkout, write=True) == ["solutions/00_start_here.ipynb"]
    assert path.read_text() == clean


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
class TestConventions:
    """What DESIGN.md promises of every notebook."""

    def test_it_holds_no_outputs_and_names_the_plain_kernel(self, path: Path) -> None:
        notebook = read(path)
        assert notebook.metadata.kernelspec.name == "python3"
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)

    def test_cell_ids_are_words_and_unique(self, path: Path) -> None:
        ids = [cell.id for cell in read(path).cells]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z0-9-]+", name) and not re.fullmatch(r"[0-9a-f]{8}", name) for name in ids)

    def test_cells_are_short_and_narrow(self, path: Path) -> None:
        for source in code(path):
            lines = [line for line in source.splitlines() if line.strip() not in (BEGIN, END)]
            assert len(lines) <= (41 if source.startswith("%%workflow") else 25), source
            assert max(map(len, lines), default=0) <= 92, "wider cells are cut off in a 1280 pixel window"

    def test_it_asks_nothing_and_stands_anywhere(self, path: Path) -> None:
        text = "\n".join(code(path))
        assert "input(" not in text
        assert not re.search(r"\b(localhost|127\.0\.0\.1):\d", text)
        assert "os.chdir" not in text
        assert not re.search(r"^\s*[!%](pip|conda)", text, re.M), "a notebook never installs anything"

    def test_it_opens_and_closes_as_designed(self, path: Path) -> None:
        cells = read(path).cells
        first = cells[0].source
        assert re.match(r"# [A-Z]", first), "titles are in sentence case"
        for heading in ("What you'll do", "What you'll learn", "What you'll need"):
            assert f"## {heading}" in first
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for heading in ("On your own", "In practice", "Further reading"):
            assert f"## {heading}" in text

    def test_headings_are_in_sentence_case_and_bound_optional_sections(self, path: Path) -> None:
        optional = False
        for cell in read(path).cells:
            headings = HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
            assert not [text for text in headings if re.match(r"#+ [a-z]", text)]
            begins = [text for text in headings if " Optional: " in text]
            assert not begins or cell.source.startswith(begins[0]), "text above it would be collapsed with it"
            if optional and headings:
                assert cell.source.startswith(headings[0]), "text above it would be in the optional section"
            optional = bool(begins) or (optional and not headings)

    def test_workflow_cells_parse_and_import_what_a_stub_needs(self, path: Path) -> None:
        for source in code(path):
            if source.startswith("%%workflow"):
                ast.parse(source.split("\n", 1)[1])
            if "not solved yet" in cut(source):
                assert "import ApplicationError" in source

    def test_answers_are_in_solutions_only(self, path: Path) -> None:
        assert ("SOLUTION" if path.parent.name == "notebooks" else "not solved yet") not in "\n".join(code(path))


def test_every_name_is_defined(tmp_path: Path) -> None:
    """Ruff does not look into cells with a magic, and misses what they define: here their first lines are gone."""
    for path in (ROOT / "solutions").glob("*.ipynb"):
        notebook = read(path)
        for cell in notebook.cells:
            cell.source = re.sub(r"^%%workflow.*", "", cell.source)
        nbformat.write(notebook, tmp_path / path.name)
    command = ["ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise", str(tmp_path)]
    checked = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_demos_share_their_drill() -> None:
    demos = list((ROOT / "solutions").glob("*_demo_*.ipynb"))
    cells = [{cell.id: cell.source for cell in read(path).cells} for path in demos]
    for name in ("begin", "drill"):
        assert len({each[name] for each in cells}) == 1, "the same cell, so that what differs is the demo"
