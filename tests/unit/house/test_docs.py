"""README, CONTRIBUTING and the instructor's pages name only what is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from workshop_lib.views.overview import WAYS, anchor, notebooks
from workshop_lib.views.predict import predictions

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
    text = "".join(path.read_text() for folder in (".", "instructor") for path in (ROOT / folder).glob("*.md"))
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([\w-]+)", text)) <= targets


def test_readme_lists_the_notebooks_as_they_are() -> None:
    listed = re.findall(r"^\| `(\S+)` \| (.*) \| (\d+) \|$", (ROOT / "README.md").read_text(), re.M)
    found = [(each.file.removesuffix(".ipynb"), str(each.minutes)) for each in notebooks()]
    assert [(name, minutes) for name, _, minutes in listed] == found
    assert all(words.startswith(each.title) for (_, words, _), each in zip(listed, notebooks(), strict=True))


def test_every_link_within_the_notebooks_and_from_the_instructors_pages_leads_somewhere() -> None:
    texts = {path.name: path.read_text().replace("../notebooks/", "") for path in (ROOT / "instructor").glob("*.md")}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        texts[path.name] = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    there = set(texts)
    for name, text in texts.items():
        prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        there |= {name + anchor(heading) for heading in re.findall(r"^#+ (.+)", prose, re.M)}
    for name, text in texts.items():
        links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)
        lost = [link for link in links if (name + link if link.startswith("#") else link) not in there]
        assert not lost, name


def test_each_slide_shows_cells_that_are_there() -> None:
    text = (ROOT / "instructor" / "slides.md").read_text(encoding="utf-8")
    there = {
        f"{path.name[:2]}/{cell.id}"
        for path in (ROOT / "solutions").glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    }
    assert set(re.findall(r"^(?:Show|Output): (\S+)$", text, re.MULTILINE)) <= there


def test_the_run_of_show_has_each_section_at_its_minutes_and_asks_what_it_predicts() -> None:
    at, wanted = dict.fromkeys(WAYS, 0), []
    for section in (part for each in notebooks(ROOT / "solutions") for part in each.sections if part.ways):
        begins = ["{}:{:02}".format(*divmod(at[way], 60)) if way in section.ways else "–" for way in WAYS]
        wanted.append(("/".join(begins), section.link))
        at |= {way: at[way] + section.minutes for way in section.ways}
    text = (ROOT / "instructor" / "run_of_show.md").read_text(encoding="utf-8")
    assert re.findall(r"^\*\*(\S+)\*\* \[.+?\]\(\.\./notebooks/(.+?)\)\\$", text, re.M) == wanted
    asked = re.findall(r"\*\*(\d+\.[a-z])\*\* ([A-Z])\b", text)
    assert asked == [(id, prediction.right) for id, prediction in predictions().items()]
    slides = re.findall(r"^## (.+)", (ROOT / "instructor" / "slides.md").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"(?:slides?|to) \*(.+?)\*", text)) <= set(slides)
