"""The rehearsal of a class: small notebooks, run as the workshop's are."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from workshop_lib import rehearse

HEADING = {"metadata": {"ways": ["2 hours"], "minutes": 1}}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('all is well')", "READY for 2 hours: 1 notebooks ran, with"),
        ("raise ValueError('the port is taken')", "01_one: ValueError: the port is taken"),
        ("import os; os.kill(os.getpid(), 9)", "01_one: Kernel died"),
        ("from IPython.display import HTML; HTML('<td>not observed: no answer</td>')", "not observed: no answer"),
    ],
)
def test_it_says_ready_or_what_is_wrong(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [new_markdown_cell("# One"), new_markdown_cell("## Run it", **HEADING), new_code_cell(code)]
    cells += [new_markdown_cell("## Leave it out"), new_code_cell("raise SystemError('not of this way')")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "01_one.ipynb")
    monkeypatch.setattr(rehearse, "_SOLUTIONS", tmp_path)
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    monkeypatch.setenv("WORKSHOP_STRICT", "")
    assert rehearse.rehearse("2 hours") == said.startswith("READY")
    assert said in capsys.readouterr().out
