"""Notebooks from scripts whose cells begin with `# %%`.

    python -m tools.notebooks [--to FOLDER]

Writes examples/notebooks/NAME.ipynb for every NAME.py there, without outputs, equal byte by byte
where the script is; edit the script. CI writes them to build/notebooks, runs them there by
`pytest --nbmake --overwrite build/notebooks/*.ipynb`, and the site shows their outputs.
"""

import argparse
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
CELL, TEXT = "# %%", "# %% [markdown]"


def cells(script: str) -> list[tuple[bool, str]]:
    r"""Whether a cell is text, and what it holds.

    >>> cells("# %% [markdown]\n# Hello\n#\n# you\n\n# %%\n1 + 1\n")
    [(True, 'Hello\n\nyou'), (False, '1 + 1')]
    """
    made: list[tuple[bool, list[str]]] = []
    for line in script.splitlines():
        if line.startswith(CELL):
            made.append((line == TEXT, []))
        elif made[-1][0]:
            made[-1][1].append(line.removeprefix("#").removeprefix(" "))
        else:
            made[-1][1].append(line)
    return [(text, "\n".join(lines).strip("\n")) for text, lines in made]


def notebook(script: str) -> dict[str, Any]:
    """The content of a notebook of format 4.5."""
    made = []
    for number, (text, source) in enumerate(cells(script)):
        own: dict[str, Any] = {"cell_type": "markdown" if text else "code", "id": f"cell-{number}"}
        if not text:
            own |= {"execution_count": None, "outputs": []}
        made.append({**own, "metadata": {}, "source": source.splitlines(keepends=True)})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def text_of(script: Path) -> str:
    """The notebook of a script as a text."""
    content = notebook(script.read_text(encoding="utf-8"))
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all notebooks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=FOLDER, help="made where it is missing")
    to: Path = parser.parse_args().to
    to.mkdir(parents=True, exist_ok=True)
    for script in sorted(FOLDER.glob("*.py")):
        (to / f"{script.stem}.ipynb").write_text(text_of(script), encoding="utf-8")


if __name__ == "__main__":
    main()
