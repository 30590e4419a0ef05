"""Pages of the notebooks: words, code, and the outputs of a notebook that has been run."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.notebooks import FOLDER, notebook

PLACE = "notebooks"
EXECUTED = Path(__file__).parents[2] / "build" / "notebooks"
"""Where .ci/run leaves notebooks with their outputs."""
NOT_RUN = """!!! note "Without outputs"
    This site was built without running the notebooks. To see their outputs here:
    `python -m tools.notebooks --to build/notebooks`,
    `pytest --nbmake --overwrite build/notebooks/*.ipynb`, and build it again.
"""
Output = dict[str, Any]


def names() -> list[str]:
    """Names of the notebooks, in their order."""
    return [script.stem for script in sorted(FOLDER.glob("*.py"))]


def generated(executed: Path = EXECUTED) -> Iterator[tuple[str, str | bytes]]:
    """Path below docs/ and content of every page and figure.

    Args:
        executed: Folder with notebooks that have been run; pages of others have no outputs.
    """
    for name in names():
        made = notebook((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
        own = executed / f"{name}.ipynb"
        if own.is_file():
            run = json.loads(own.read_text(encoding="utf-8"))
            if _sources(run) == _sources(made):  # else of an earlier script
                made = run
        yield from page(name, made)


def page(name: str, made: dict[str, Any]) -> Iterator[tuple[str, str | bytes]]:
    """Figures of a notebook, then its page.

    Args:
        name: Of its script, without the suffix.
        made: Its content, of format 4.
    """
    parts, ran = [], False
    for number, cell in enumerate(made["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        ran |= cell["execution_count"] is not None
        for place, output in enumerate(cell["outputs"]):
            if drawn := output.get("data", {}).get("image/png"):
                figure = f"{name}_{number}_{place}.png"
                yield f"{PLACE}/{figure}", base64.b64decode(drawn)
                parts.append(f"![What the cell above shows]({figure})")
            else:
                parts.append(shown(output))
    title, _, rest = parts[0].partition("\n")
    note = "" if ran else f"{NOT_RUN}\n"
    where = f"*Run it yourself: `examples/notebooks/{name}.ipynb`.*"
    text = "\n\n".join([title, f"{note}{rest.strip()}", where, *parts[1:]])
    yield f"{PLACE}/{name}.md", f"{text}\n"


def shown(output: Output) -> str:
    r"""What a cell shows, as Markdown; nothing of what it says on standard error.

    >>> shown({"output_type": "stream", "name": "stdout", "text": ["alpha 1\n"]})
    '```text\nalpha 1\n```'
    """
    data = output.get("data", {})
    if html := "".join(data.get("text/html", "")):
        return f'<div class="output">{" ".join(html.split(chr(10)))}</div>'
    told = output.get("text", "") if output.get("name") == "stdout" else data.get("text/plain", "")
    text = "".join(told).rstrip()
    return f"```text\n{text}\n```" if text else ""


def _sources(made: dict[str, Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in made["cells"]]
