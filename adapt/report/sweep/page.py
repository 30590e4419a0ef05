"""`sweep.html` and `sweep.md`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from adapt.common.files import write_whole
from adapt.report.figures.many_runs.sweep import key_figure
from adapt.report.figures.style import ReportFigure, house_style
from adapt.report.record.sweep import keys_of, place_of, stored_spread
from adapt.report.record.words import percent, points
from adapt.report.sweep.tables import evals_table, run_lines, settings_table
from adapt.report.sweep.verdict import about, command, headline, setting_text, verdict
from adapt.report.templating import environment
from adapt.report.write import FigureFiles, draw, inline

HTML, MARKDOWN, FIGURES = "sweep.html", "sweep.md", "figures"
ADVICE = "free space or make the folder writable, then give the same command again"


def write(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Write the pages of a sweep, as `adapt.report.sweep.write_pages` does."""
    drawn = draw_figures(content)
    images = {files.figure.name: inline(files) for files in drawn}
    figures = [files.figure for files in drawn]
    written = {
        folder / name: render(content, figures, images, name).encode("utf-8", "backslashreplace")
        for name in (HTML, MARKDOWN)
    }
    for files in drawn:
        path = folder / FIGURES / files.figure.name
        written[path.with_suffix(".png")] = files.png
        written[path.with_suffix(".svg")] = files.svg.encode()
    for path, data in written.items():
        write_whole(path, lambda part, data=data: part.write_bytes(data), ADVICE)  # type: ignore[misc]
    return [folder / HTML, folder / MARKDOWN]


def draw_figures(content: Mapping[str, Any]) -> list[FigureFiles]:
    """A figure for each key that has more than one value with a finished run."""
    scored = [entry for entry in content["settings"] if entry["finished"]]
    wanted = []
    for number, key in enumerate(keys_of(content), start=1):
        if len({place_of(key.values, entry["settings"][key.key]) for entry in scored}) > 1:
            wanted.append((key, number))
    with house_style():
        return [draw(key_figure(content, key, number)) for key, number in wanted]


def render(
    content: Mapping[str, Any],
    figures: Sequence[ReportFigure],
    images: Mapping[str, Markup],
    name: str,
) -> str:
    """The text of a page.

    Args:
        content: `sweep.json`.
        figures: To show, in order.
        images: For each figure's name, the element that shows it in a page.
        name: `sweep.html` or `sweep.md`.
    """
    best = content["settings"][0] if content["best"] is not None else None
    text = (
        environment()
        .get_template(f"{name}.j2")
        .render(
            content=content,
            headline=headline(content),
            verdict=verdict(content),
            about=about(content),
            best=best,
            best_text=None if best is None else setting_text(best["settings"]),
            command=None if best is None else command(content),
            facts=[] if best is None else _facts(best),
            settings=settings_table(content),
            evals=evals_table(content),
            runs=run_lines(content),
            failed=[line for line in run_lines(content) if line.state == "failed"],
            leaks=sorted({name for row in content["runs"] for name in row.get("leaks", [])}),
            figures=figures,
            images=images,
        )
    )
    return text if name == HTML else re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", text))


def _facts(best: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Label, number and remark of what the best setting reaches."""
    facts = []
    for name, label in (("val", "val"), ("test", "test"), ("shift_mean", "mean of the shifts")):
        own, base = stored_spread(best, name), stored_spread(best, f"zero_shot_{name}")
        if own is not None:
            remark = ""
            if base is not None:
                change = points(own.mean - base.mean)
                remark = f"zero-shot {percent(base.mean)} ({change})"
            facts.append((label, percent(own.mean), remark))
    alpha = stored_spread(best, "alpha")
    if alpha is not None:
        facts.append(("alpha", f"{alpha.mean:.2f}", "0 is zero-shot, 1 the adapted model"))
    return facts
