"""Notebooks are made from their scripts; CI runs them with nbmake."""

import ast
import json
from pathlib import Path

import pytest

from tools.notebooks import FOLDER, cells, notebook, text_of

SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_is_that_of_its_script(script: Path) -> None:
    assert script.with_suffix(".ipynb").read_text(encoding="utf-8") == text_of(script), (
        "run python -m tools.notebooks"
    )


def test_there_are_six_and_each_has_words_and_code() -> None:
    assert len(SCRIPTS) == len(list(FOLDER.glob("*.ipynb"))) == 6
    for script in SCRIPTS:
        parts = cells(script.read_text(encoding="utf-8"))
        assert parts[0][1].startswith("# ")
        code = [ast.parse(source) for text, source in parts if not text]
        assert len(code) >= 3


def test_the_format_is_that_of_jupyter() -> None:
    made = notebook("# %% [markdown]\n# # A\n\n# %%\nx = 1\n\nx\n")
    assert json.loads(json.dumps(made))["nbformat"] == 4
    words, code = made["cells"]
    assert words == {
        "cell_type": "markdown", "id": "cell-0", "metadata": {}, "source": ["# A"]
    }  # fmt: skip
    assert code["source"] == ["x = 1\n", "\n", "x"]
    assert (code["outputs"], code["execution_count"]) == ([], None)
