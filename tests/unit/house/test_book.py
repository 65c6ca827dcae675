"""`make book` makes a site of the notebooks. Here it does so without running them: every link leads somewhere."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.full
def test_every_link_between_the_pages_leads_somewhere_and_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "instructor" / "book", tmp_path, dirs_exist_ok=True)
    pages = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "solutions").glob("*.ipynb")]
    for path in pages:
        shutil.copy(path, tmp_path)
    (tmp_path / "_static" / "mermaid.min.js").touch()
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", ".", "html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in pages:
        page = (tmp_path / "html" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert not [tag for tag in ('<script src="http', '@import "http', 'rel="stylesheet" href="http') if tag in page]
