"""``notebooks/`` is made from ``solutions/``; both keep the workshop's conventions."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from make_notebooks import BEGIN, END, cut, generate
from nbformat import NotebookNode
from ways import PARTLY, chosen

from workshop_lib.server import rights
from workshop_lib.views.overview import WAYS, notebooks

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = sorted([*(ROOT / "solutions").glob("*.ipynb"), *(ROOT / "notebooks").glob("[0-9]*.ipynb")])

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
def test_it_keeps_to_the_conventions(path: Path) -> None:
    """What DESIGN.md promises of every notebook. `make_notebooks.py` sees to outputs, the kernel and the answers."""
    cells = read(path).cells
    ids = [cell.id for cell in cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) and not re.fullmatch(r"[0-9a-f]{8}", name) for name in ids), "words"
    for source in code(path):
        lines = [line for line in source.splitlines() if line.strip() not in (BEGIN, END)]
        assert len(lines) <= (41 if source.startswith("%%workflow") else 25), source
        assert max(map(len, lines), default=0) <= 92, "wider cells are cut off in a 1280 pixel window"
        assert "not solved yet" not in cut(source) or "import ApplicationError" in source, "what a stub needs"
    text = "\n".join(code(path))
    for forbidden in (r"\binput\(", r"\b(localhost|127\.0\.0\.1):\d", r"os\.chdir", r"(?m)^\s*[!%](pip|conda)"):
        assert not re.search(forbidden, text), "it asks nothing, runs anywhere, and installs nothing"
    made = {*re.findall(r'ws\.endpoint\(\s*"([a-z-]+)"', text)}
    assert made <= rights.needs(path.name).endpoints.keys(), "an administrator is told what to make: needs.toml"
    assert cells[0].source.startswith("# ")
    for heading in ("What you'll do", "What you'll learn", "What you'll need"):
        assert f"## {heading}" in cells[0].source
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for heading in ("On your own", "In practice", "Further reading"):
        assert f"## {heading}" in prose
    optional = False
    for cell in cells:
        headings = HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
        assert not [heading for heading in headings if re.match(r"#+ [a-z]", heading)], "sentence case"
        begins = [heading for heading in headings if " Optional: " in heading]
        assert not begins or cell.source.startswith(begins[0]), "text above it would be collapsed with it"
        if optional and headings:
            assert cell.source.startswith(headings[0]), "text above it would be in the optional section"
        optional = bool(begins) or (optional and not headings)


def test_every_name_is_defined_whichever_way_one_goes(tmp_path: Path) -> None:
    """Ruff does not look into cells with a magic, and misses what they define: here their first lines are gone."""
    for n, (path, way) in enumerate([*((path, "") for path in (ROOT / "solutions").glob("*.ipynb")), *PARTLY]):
        notebook = chosen(path, way) if way else read(path)
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        modules = set(re.findall(r"^%%workflow (\w+)", "\n".join(code(path)), re.M))
        imported = modules & set(re.findall(r"^ *(?:from|import) (\w+)", text, re.M))
        assert imported <= set(re.findall(r"^%%workflow (\w+)", text, re.M)), (path.stem, way)
        for cell in notebook.cells:
            cell.source = re.sub(r"^%%workflow.*", "", cell.source)
        nbformat.write(notebook, tmp_path / f"{path.stem}_{n}.ipynb")
    command = ["ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise", str(tmp_path)]
    checked = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_minutes_of_sections_add_up() -> None:
    for each in notebooks(ROOT / "solutions"):
        assert sum(section.minutes for section in each.sections) == each.minutes, each.file
        assert all(bool(section.minutes) >= bool(section.ways) for section in each.sections), each.file
    for way in WAYS:
        sections = [
            section for each in notebooks(ROOT / "solutions") for section in each.sections if way in section.ways
        ]
        spare = 60 * int(way.split()[0]) - sum(section.minutes for section in sections)
        assert 0 <= spare < 10, way
        story = {section.link[:2] for section in sections}
        assert story > {"00", "01", "02", "03", "04", "05", "06", "12"}, "the story of the talk, and a demo"


def test_the_demos_share_their_drill() -> None:
    demos = list((ROOT / "solutions").glob("*_demo_*.ipynb"))
    cells = [{cell.id: cell.source for cell in read(path).cells} for path in demos]
    for name in ("begin", "drill"):
        assert len({each[name] for each in cells}) == 1, "the same cell, so that what differs is the demo"
