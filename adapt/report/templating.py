"""The template engine of both pages, and the filters that keep text text."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape


def environment() -> Environment:
    """An environment for the files of `templates/`; HTML is escaped unless it is `Markup`."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        plain=plain, marked=marked, sentence=sentence, ticks=ticks, one_line=one_line, fenced=fenced
    )
    return made


def ticks(text: object) -> Markup:
    """Text for a page, with what is between backticks as code.

    >>> print(ticks("run `adapt <name>`"))
    run <code>adapt &lt;name&gt;</code>
    """
    pieces = str(text).split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    )


def one_line(text: object) -> str:
    r"""Text without ends of lines and control characters.

    >>> one_line("a\nb")
    'a b'
    """
    return " ".join("".join(s if s.isprintable() else " " for s in str(text)).split())


def sentence(reason: str) -> str:
    """A reason as a sentence; a file name at its start keeps its case.

    >>> sentence("no shift was scored"), sentence("curve.json is absent")
    ('No shift was scored.', 'curve.json is absent.')
    """
    start = reason if "." in reason.split(" ")[0] else reason[:1].upper() + reason[1:]
    return f"{start}."


def plain(text: object) -> Markup:
    r"""Text that Markdown prints as it is, also in a table cell.

    >>> print(plain("a_b | <i>"))
    a\_b \| &lt;i&gt;
    """
    safe = " ".join(str(text).split())
    for sign in "\\`*_[]|~$":
        safe = safe.replace(sign, f"\\{sign}")
    # Quotes need no escape outside attributes, and Markdown is also read as plain text.
    return Markup(safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def marked(text: object) -> Markup:
    r"""Text for Markdown as `plain` writes it, with what is between backticks as code.

    >>> print(marked("a_b: run `adapt <name>`"))
    a\_b: run `adapt <name>`
    """
    pieces = str(text).split("`")
    if len(pieces) % 2 == 0 or not all(map(str.strip, pieces[1::2])):
        return plain(text)
    # Safe between backticks, where Markdown shows everything as it is.
    return Markup("").join(
        Markup(f"`{one_line(piece)}`") if place % 2 else _around(piece)
        for place, piece in enumerate(pieces)
    )


def _around(piece: str) -> Markup:
    """A piece of a sentence, with the space at its ends that `plain` takes away."""
    before, after = (" " if side else "" for side in (piece[:1].isspace(), piece[-1:].isspace()))
    return Markup(f"{before}{plain(piece)}{after}") if piece.strip() else Markup(piece and " ")


def fenced(text: object) -> Markup:
    """Text for a block of code in Markdown, in which no line can end the block.

    >>> print(fenced("a: 1"))
    a: 1
    """
    # Safe in Markdown, where code is shown as it is.
    return Markup("\n".join(line.replace("```", "` ` `") for line in str(text).split("\n")))
