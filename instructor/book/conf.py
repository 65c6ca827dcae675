"""The workshop as a site to read: `make book` puts the executed solutions beside this file, and runs Sphinx."""

import sys
from pathlib import Path

import nbformat
from sphinx.application import Sphinx

project = "Governance for AI agents with Temporal Nexus"
extensions = ["myst_nb"]
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
exclude_patterns = ["html", "jupyter_execute"]
nb_execution_mode = "off"  # nbmake has run them, side by side
nb_ipywidgets_js: dict[str, str] = {}  # a widget needs its kernel; each has a twin in text
nb_mime_priority_overrides = [("html", "text/html", 0)]
nb_code_prompt_show = "Show the answer"
nb_code_prompt_hide = "Hide the answer"
myst_heading_anchors = 3
html_css_files = ["book.css"]
html_js_files = ["mermaid.min.js", "book.js"]
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]


def slug(heading: str) -> str:
    """The anchor that JupyterLab gives a heading, so that links hold in both."""
    return heading.replace(" ", "-")


sys.path.insert(0, str(Path(__file__).parent))
myst_heading_slug_func = "conf.slug"  # by its name: Sphinx pickles its settings


def setup(_app: Sphinx) -> None:
    """Let each answer to an exercise open with a click."""
    for path in Path(__file__).parent.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if "### BEGIN SOLUTION" in cell.source:
                cell.metadata["tags"] = ["hide-input"]
        nbformat.write(notebook, path)
