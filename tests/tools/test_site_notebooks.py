"""Pages of notebooks show what their cells show."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tools.notebooks import FOLDER, notebook
from tools.site.notebooks import NOT_RUN, generated, names, page, shown

PIXELS = b"\x89PNG not really"


def run(made: dict[str, Any], *outputs: dict[str, Any]) -> dict[str, Any]:
    """The notebook after its last cell was run."""
    made["cells"][-1] |= {"execution_count": 1, "outputs": list(outputs)}
    return made


def test_a_page_shows_figures_tables_and_text_in_their_order() -> None:
    figure = {"output_type": "display_data", "data": {
        "image/png": base64.b64encode(PIXELS).decode(), "text/plain": "<Figure>"}}  # fmt: skip
    table = {"output_type": "execute_result", "data": {
        "text/html": ["<table>\n", "<tr></tr></table>"], "text/plain": "Scores(...)"}}  # fmt: skip
    said = {"output_type": "stream", "name": "stdout", "text": ["alpha\n", "1\n"]}
    warned = {"output_type": "stream", "name": "stderr", "text": "a warning"}
    made = run(
        notebook("# %% [markdown]\n# # A\n#\n# words\n\n# %%\nx"), said, figure, warned, table
    )
    (place, pixels), (path, text) = page("1_a", made)
    assert (place, pixels) == ("notebooks/1_a_1_1.png", PIXELS)
    assert path == "notebooks/1_a.md"
    assert isinstance(text, str)
    parts = [part for part in text.split("\n\n") if part]
    assert parts[:2] == ["# A", "words"]
    assert [part.strip() for part in parts[3:]] == [
        "```python\nx\n```",
        "```text\nalpha\n1\n```",
        "![What the cell above shows](1_a_1_1.png)",
        '<div class="output"><table> <tr></tr></table></div>',
    ]


@pytest.mark.parametrize("output", [{"data": {}}, {"name": "stderr", "text": "no"}])
def test_what_shows_nothing_leaves_nothing(output: dict[str, Any]) -> None:
    assert shown(output) == ""


def test_every_notebook_has_a_page_with_or_without_outputs(tmp_path: Path) -> None:
    name = names()[0]
    made = notebook((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    executed = run(made, {"output_type": "stream", "name": "stdout", "text": "done"})
    (tmp_path / f"{name}.ipynb").write_text(json.dumps(executed), encoding="utf-8")
    texts = {path: str(text) for path, text in generated(tmp_path)}
    assert list(texts) == [f"notebooks/{own}.md" for own in names()]
    assert [NOT_RUN in text for text in texts.values()] == [False, *[True] * 5]
    assert "\ndone\n" in texts[f"notebooks/{name}.md"]


def test_outputs_of_an_earlier_script_are_not_shown(tmp_path: Path) -> None:
    name = names()[0]
    old = run(notebook("# %% [markdown]\n# # Old\n\n# %%\nold"), {"name": "stdout", "text": "old"})
    (tmp_path / f"{name}.ipynb").write_text(json.dumps(old), encoding="utf-8")
    assert NOT_RUN in str(dict(generated(tmp_path))[f"notebooks/{name}.md"])
