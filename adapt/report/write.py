"""Writing the report of a run; see `adapt.report.write_report`."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from adapt.common.files import write_whole
from adapt.errors import RecipeError, did_you_mean
from adapt.report.content import Content, build
from adapt.report.figures.style import (
    ReportFigure,
    as_inline_svg,
    as_png,
    as_svg,
    house_style,
    name_start,
)
from adapt.report.record.read import Absent, read_run
from adapt.report.record.scores import named_start
from adapt.report.sections import Section, sections_of
from adapt.report.tables.cells import Table, Text
from adapt.report.templating import environment

FORMATS = {"html": "report.html", "md": "report.md"}
LARGEST_INLINE_SVG = 400_000


@dataclass(frozen=True)
class FigureFiles:
    """A figure and the two files that it became."""

    figure: ReportFigure
    svg: str
    png: bytes


def write(
    folder: Path, formats: list[str], sections: Sequence[Section] | None = None
) -> list[Path]:
    """Write the report, as `adapt.report.write_report` does, with these sections."""
    for name in formats:
        if name not in FORMATS:
            raise RecipeError(
                f"report.formats - unknown format - {name!r}{did_you_mean(name, FORMATS)} - "
                f"use one or more of {', '.join(FORMATS)}"
            )
    run = read_run(folder)
    with house_style():
        content = build(run, sections or sections_of(run))
        for figure in content.figures:
            name_start(figure, run.scores)
        drawn = [draw(figure) for figure in content.figures]
    images = {files.figure.name: inline(files) for files in drawn}
    texts = {name: named_start(render(content, images, name), run.scores) for name in formats}
    # A file name that is no UTF-8 is escaped, as in every other text.
    written = {
        folder / FORMATS[name]: text.encode("utf-8", "backslashreplace")
        for name, text in texts.items()
    }
    for files in drawn:
        path = folder / "figures" / files.figure.name
        written[path.with_suffix(".png")] = files.png
        written[path.with_suffix(".svg")] = files.svg.encode()
    advice = "free space or make the run folder writable, then write the report again"
    for path, data in written.items():
        write_whole(path, lambda part, data=data: part.write_bytes(data), advice)  # type: ignore[misc]
    return list(written)


def render(content: Content, images: Mapping[str, Markup], format: str) -> str:
    """The text of `report.html` or `report.md`.

    Args:
        content: What to say.
        images: For each figure's name, the element that shows it in a page.
        format: `"html"` or `"md"`.
    """
    templates = environment()
    templates.tests.update(
        absent=lambda block: isinstance(block, Absent),
        table=lambda block: isinstance(block, Table),
        text=lambda block: isinstance(block, Text),
    )
    text = templates.get_template(f"report.{format}.j2").render(content=content, images=images)
    return text if format == "html" else re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", text))


def draw(figure: ReportFigure) -> FigureFiles:
    """A figure as the files that it becomes."""
    svg = as_svg(figure.drawing)
    # The places of all labels are now computed; doing that again would double the time.
    figure.drawing.set_layout_engine("none")
    return FigureFiles(figure, svg, as_png(figure.drawing))


def inline(files: FigureFiles) -> Markup:
    """The figure inside the page: SVG, or PNG where the SVG is too large to scroll smoothly."""
    svg = as_inline_svg(files.svg, files.figure)
    if len(svg) <= LARGEST_INLINE_SVG:
        # Safe as it is: matplotlib and `as_inline_svg` have escaped every text in it.
        return Markup(svg)
    data = base64.b64encode(files.png).decode("ascii")
    return Markup('<img class="paper" alt="{}" src="data:image/png;base64,{}">').format(
        files.figure.alt, data
    )
