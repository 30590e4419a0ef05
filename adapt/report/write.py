"""Writing the report of a run; see `adapt.report.write_report`."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from adapt.errors import RecipeError, RunError, did_you_mean
from adapt.report.content import Content, all_pictures, build
from adapt.report.figures.style import Absent, Picture, as_inline_svg, as_png, as_svg, house_style
from adapt.report.record.read import read_run
from adapt.report.tables.cells import Table, Text

FORMATS = {"html": "report.html", "md": "report.md"}
LARGEST_INLINE_SVG = 400_000


@dataclass(frozen=True)
class Drawing:
    """A picture and the two files it became."""

    picture: Picture
    svg: str
    png: bytes


def write(folder: Path, formats: list[str]) -> list[Path]:
    """Does what `adapt.report.write_report` promises."""
    for name in formats:
        if name not in FORMATS:
            raise RecipeError(
                f"report.formats - unknown format - {name!r}{did_you_mean(name, FORMATS)} - "
                f"use one or more of {', '.join(FORMATS)}"
            )
    run = read_run(folder)
    with house_style():
        content = build(run)
        drawings = [_draw(picture) for picture in all_pictures(content)]
    images = {drawing.picture.name: _inline(drawing) for drawing in drawings}
    files = {folder / FORMATS[name]: render(content, images, name).encode() for name in formats}
    for drawing in drawings:
        path = folder / "figures" / drawing.picture.name
        files[path.with_suffix(".png")] = drawing.png
        files[path.with_suffix(".svg")] = drawing.svg.encode()
    return [_save(path, data) for path, data in files.items()]


def render(content: Content, images: Mapping[str, Markup], format: str) -> str:
    """The text of ``report.html`` or ``report.md``.

    Args:
      content: What to say.
      images: For each picture's name, the element that shows it in a page.
      format: ``"html"`` or ``"md"``.
    """
    template = _environment().get_template(f"report.{format}.j2")
    text = template.render(content=content, images=images)
    return text if format == "html" else re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", text))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(plain=_plain, sentence=_sentence)
    environment.tests.update(
        absent=lambda each: isinstance(each, Absent),
        table=lambda each: isinstance(each, Table),
        text=lambda each: isinstance(each, Text),
    )
    return environment


def _draw(picture: Picture) -> Drawing:
    svg = as_svg(picture.figure)
    # The places of all labels are now computed; doing that again would double the time.
    picture.figure.set_layout_engine("none")
    return Drawing(picture, svg, as_png(picture.figure))


def _inline(drawing: Drawing) -> Markup:
    """The figure inside the page: SVG, or PNG where the SVG is too large to scroll smoothly."""
    svg = as_inline_svg(drawing.svg, drawing.picture)
    if len(svg) <= LARGEST_INLINE_SVG:
        # Safe as it is: matplotlib and `as_inline_svg` have escaped every text in it.
        return Markup(svg)
    data = base64.b64encode(drawing.png).decode("ascii")
    return Markup('<img class="paper" alt="{}" src="data:image/png;base64,{}">').format(
        drawing.picture.alt, data
    )


def _sentence(reason: str) -> str:
    """A reason as a sentence; a file name it starts with keeps its case."""
    start = reason if "." in reason.split(" ")[0] else reason[:1].upper() + reason[1:]
    return f"{start}."


def _plain(text: object) -> Markup:
    """Text that Markdown prints as it stands, in a table cell too."""
    safe = " ".join(str(text).split())
    for sign in "\\`*_[]|~$":
        safe = safe.replace(sign, f"\\{sign}")
    # Quotes need no escape outside of attributes, and Markdown is read as text too.
    return Markup(safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _save(path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise RunError(
            f"{path} - cannot be written - {error.strerror or error} - "
            "free space or make the run folder writable, then write the report again"
        ) from error
    return path
