"""The command that asks a model what it cannot do."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapt.cli.shared.options import AsJson, Overwrite, with_settings
from adapt.common.files import check_new, json_text
from adapt.common.words import printable
from adapt.errors import RecipeError
from adapt.explore.weak_spots.settings import WeakSpotSettings

STYLES = {"guesses": "red", "weak": "yellow", "works": "green"}
OPTIONS = {
    "images": typer.Option(help="Images drawn for each task."),
    "seed": typer.Option(help="Another seed, other images."),
    "pairs": typer.Option(help="Pairs of similar class names that are listed."),
    "by": typer.Option(help="A column of --photos: how many answers move for each of its values."),
}
console = Console()


@with_settings(WeakSpotSettings, OPTIONS)
def probe_weak_spots(
    model: Annotated[Path, typer.Argument(help="A run folder, or the `model` folder of a run.")],
    settings: WeakSpotSettings,
    photos: Annotated[
        str | None,
        typer.Option(help="Images on which answers are seen to move with --add and --remove."),
    ] = None,
    add: Annotated[list[str] | None, typer.Option(help="A class that the model lacks.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A class to take away.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the page; default weak-spots-MODEL.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Ask a model about drawings: what it cannot do, and which classes it confuses."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.comparison.sides import title_of
    from adapt.explore.weak_spots.result import ClassChange, result_files
    from adapt.explore.weak_spots.result import probe_weak_spots as probed

    if photos is None and (add or remove or settings.by):
        raise RecipeError(
            "--photos - missing - other classes need images to ask about - give a folder or table"
        )
    folder = out or Path(f"weak-spots-{title_of(model)}")
    check_new(*result_files(folder), overwrite=overwrite)
    change = None if photos is None else ClassChange(photos, add or (), remove or ())
    with progress_shown(quiet=as_json):
        done = probed(model, settings, change)
    page = done.write(folder, overwrite)
    if as_json:
        print(json_text(done.content), end="")
        return
    print_weak_spots(done.content)
    console.print(f"page    {page}", soft_wrap=True, markup=False, highlight=False)


def print_weak_spots(content: dict[str, Any]) -> None:
    """Print the table of tasks, the weakest first, and a sentence for each that is weak."""
    from adapt.report.explore.weak_spots import WORDS, design_sentence, rows
    from adapt.report.record.words import percent

    table = Table(title="accuracy on drawn tasks")
    for name in ("task", "zero-shot", "probe", "guessing", ""):
        justify: Literal["left", "right"] = "left" if name in ("task", "") else "right"
        table.add_column(name, justify=justify, no_wrap=name == "")
    shown = rows(content, {})
    for row in shown:
        numbers = (percent(row.zero_shot), percent(row.probe), percent(row.chance))
        table.add_row(row.name, *numbers, Text(WORDS[row.level], style=STYLES[row.level]))
    console.print(table)
    for row in shown:
        if row.level != "works":
            console.print(Text(printable(row.sentence)), soft_wrap=True, highlight=False)
    if content["class_design"] is not None:
        sentence = design_sentence(content["class_design"])
        console.print(Text(printable(sentence)), soft_wrap=True, highlight=False)
