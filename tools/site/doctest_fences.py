"""Puts the doctests of docstrings into fences, so that Markdown shows them as code."""

from typing import Any

import griffe


class DoctestFences(griffe.Extension):
    """Changes the docstring of every object when it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence its doctests."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """The text with a fence around each run of lines that begins with a prompt and ends blank."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if not inside and line.lstrip().startswith(">>> "):
            lines += ["", f"{indent}```pycon"]
            inside, opened = True, indent
        elif inside and not line.strip():
            lines.append(f"{opened}```")
            inside = False
        lines.append(line)
    return "\n".join([*lines, f"{opened}```"] if inside else lines)
