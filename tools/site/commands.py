"""The page of every command, from the help that typer prints."""

from collections.abc import Iterator
from typing import Any

import typer

from adapt.cli.app import app

GROUP = "adapt"
SIGNS = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "*": "\\*", "[": "\\[", "~": "\\~"}
"""What Markdown would read as its own."""


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Words, command and context of every command, those of groups included, by name."""
    root = typer.main.get_command(app)
    yield from _below(GROUP, root, root.context_class(root, info_name=GROUP))


def _below(words: str, command: Any, context: Any) -> Iterator[tuple[str, Any, Any]]:
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if getattr(child, "hidden", False):
            continue
        inner = child.context_class(child, info_name=name, parent=context)
        if getattr(child, "commands", None):
            yield from _below(f"{words} {name}", child, inner)
        else:
            yield f"{words} {name}", child, inner


def command_page(words: str, command: Any, context: Any) -> str:
    """Usage, description, arguments and options of one command, as Markdown."""
    lines = [
        f"# {words}",
        "",
        *_paragraphs(command.help),
        "```text",
        _usage(command, context),
        "```",
        "",
    ]
    records = {"argument": [], "option": []}  # type: dict[str, list[tuple[str, str]]]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and parameter.name != "help":
            records[parameter.param_type_name].append(record)
    for kind, rows in records.items():
        if rows:
            lines += [f"## {kind.capitalize()}s", "", f"| {kind} | what |", "|---|---|"]
            lines += [f"| `{cell(name)}` | {cell(text, escape=True)} |" for name, text in rows]
            lines.append("")
    return "\n".join(lines)


def index_page() -> str:
    """A table of all commands with their first sentence."""
    rows = [
        f"| [`{words}`]({file_name(words)}) | {cell(first_sentence(command.help), escape=True)} |"
        for words, command, _ in commands()
    ]
    return "\n".join(
        [
            "# Commands",
            "",
            "This part is generated from the command line: it says what `adapt COMMAND --help` "
            "says. What a command returns to the shell is under [exit codes](../exit_codes.md).",
            "",
            "| command | what |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def file_name(words: str) -> str:
    """The page of a command.

    >>> file_name("adapt cache info")
    'cache_info.md'
    """
    return f"{words.removeprefix(GROUP).strip().replace(' ', '_')}.md"


def first_sentence(text: str | None) -> str:
    """Up to the first full stop that ends a sentence.

    >>> first_sentence("Write it. And more.")
    'Write it.'
    """
    head, stop, _ = " ".join((text or "").split()).partition(". ")
    return head + "." if stop else head


def cell(text: str, escape: bool = False) -> str:
    """Text that fits into one cell of a table; `escape` where it is no code.

    >>> cell("a | b <c>", escape=True)
    'a &#124; b &lt;c&gt;'
    """
    text = " ".join(text.split())
    if not escape:
        return text.replace("|", "\\|")
    parts = text.split("`")  # every second one is code
    return "`".join(
        part.replace("|", "\\|") if number % 2 else _escaped(part)
        for number, part in enumerate(parts)
    )


def _escaped(text: str) -> str:
    for sign, written in SIGNS.items():
        text = text.replace(sign, written)
    return text


def _usage(command: Any, context: Any) -> str:
    return " ".join(command.get_usage(context).removeprefix("Usage:").split())


def _paragraphs(text: str | None) -> list[str]:
    """The description; lines that are examples of commands become a block."""
    lines: list[str] = []
    for paragraph in (text or "").split("\n\n"):
        joined = " ".join(paragraph.split())
        if joined.startswith("adapt "):
            lines += ["```console", *(f"$ {part}" for part in joined.split(" | ")), "```", ""]
        else:
            lines += [cell(joined, escape=True), ""]
    return lines
