"""README and CONTRIBUTING name only what is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from workshop_lib.views.overview import anchor, notebooks

ROOT = Path(__file__).resolve().parents[3]
TOP = {"workshop_lib", "tests", "solutions", ".ci", ".github"}
FILE = re.compile(r"[\w./-]+\.(?:py|toml|md|ipynb|txt|ya?ml|json)")


def named(text: str) -> Iterator[str]:
    """The paths between backticks and behind links; those in a picture of the tree, by their indentation."""
    tree = re.search(r"^```text\n(workshop_lib/.*?)^```", text, re.M | re.S)
    parents: list[tuple[int, str]] = []
    for line in tree[1].splitlines() if tree else []:
        indent, name = len(line) - len(line.lstrip()), line.split()[0]
        parents = [(depth, parent) for depth, parent in parents if depth < indent] + [(indent, name)]
        yield "".join(part for _, part in parents)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for name in re.findall(r"`([^`\s]+)`", prose):
        if name.split("/")[0] in TOP or FILE.fullmatch(name):
            yield name
    yield from re.findall(r"\]\((?!https?:|#)([^)#]+)\)", prose)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_path_that_is_named_exists(document: str) -> None:
    paths = list(named((ROOT / document).read_text()))
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_every_command_that_is_named_exists() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([\w-]+)", text)) <= targets


def test_readme_lists_the_notebooks_as_they_are() -> None:
    listed = re.findall(r"^\| `(\S+)` \| (.*) \| (\d+) \|$", (ROOT / "README.md").read_text(), re.M)
    found = [(each.file.removesuffix(".ipynb"), str(each.minutes)) for each in notebooks()]
    assert [(name, minutes) for name, _, minutes in listed] == found
    assert all(words.startswith(each.title) for (_, words, _), each in zip(listed, notebooks(), strict=True))


def test_every_link_within_the_notebooks_leads_somewhere() -> None:
    texts = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        texts[path.name] = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    there = {
        name + mark
        for name, text in texts.items()
        for mark in (
            "",
            *map(anchor, re.findall(r"^#+ (.+)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)),
        )
    }
    for name, text in texts.items():
        links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)
        lost = [link for link in links if (name + link if link.startswith("#") else link) not in there]
        assert not lost, name


def test_each_slide_shows_cells_that_are_there() -> None:
    text = (ROOT / "instructor" / "slides.md").read_text(encoding="utf-8")
    wanted = re.findall(r"^(?:Show|Output): (\d\d)/(\S+)$", text, re.MULTILINE)
    there = {
        (path.name[:2], cell.id)
        for path in (ROOT / "solutions").glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    }
    assert wanted
    assert not set(wanted) - there


def test_the_run_of_show_has_the_two_hours_minute_by_minute() -> None:
    at, wanted = 0, []
    for section in (part for each in notebooks(ROOT / "solutions") for part in each.sections if "2 hours" in part.ways):
        wanted.append((f"{at // 60}:{at % 60:02}", section.link))
        at += section.minutes
    text = (ROOT / "instructor" / "run_of_show.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d:\d\d) \| \[.+?\]\(\.\./notebooks/(.+?)\) \|", text, re.MULTILINE) == wanted
