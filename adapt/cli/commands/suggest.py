"""The command that says what to label next, and what it prints."""

import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapt.cli.shared.options import AsJson, Overwrite, with_settings
from adapt.common.files import check_new, json_text
from adapt.common.words import printable
from adapt.errors import AdaptError
from adapt.explore.suggest.settings import SuggestSettings

if TYPE_CHECKING:
    from adapt.explore.suggest.result import Suggestion

SHOWN = 10
DRAWN = ("shots", "fraction")
"""Keys of a source that take a part of its images; a part of a combined source has none."""
OPTIONS = {
    "budget": typer.Option(help="How many images to label."),
    "strategy": typer.Option(help="How to choose; `adapt list strategies` shows all."),
    "seed": typer.Option(help="Of what is drawn at random."),
    "device": typer.Option(help="auto (a GPU where there is one), cpu, cuda or mps."),
}
console = Console()


@with_settings(SuggestSettings, OPTIONS)
def suggest(
    model: Annotated[
        str, typer.Argument(help="A bundle, an export or a run folder.", show_default=False)
    ],
    pool: Annotated[
        str,
        typer.Argument(
            help="Images without labels: folder, table with a column `path`, archive or shards.",
            show_default=False,
        ),
    ],
    settings: SuggestSettings,
    labelled: Annotated[
        list[str] | None,
        typer.Option(
            help="What is labelled so far, beside what a run was trained on: a list of this "
            "command with its labels filled in, a table, or a folder with a folder per class. May "
            "be given several times."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for suggest.csv, suggest.json and suggest.html; default suggest-POOL."
        ),
    ] = None,
    link: Annotated[
        Path | None,
        typer.Option(help="New folder of links to the images, by predicted class."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Say what to label next, and from what is labelled how many more images of which class."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.explore.suggest.result import result_files
    from adapt.explore.suggest.run import suggest as suggested
    from adapt.export.load import place_of

    folder = out or default_folder(pool)
    check_new(*result_files(folder), overwrite=overwrite)
    with progress_shown(as_json):
        done = suggested(
            model,
            pool,
            settings.budget,
            settings.strategy,
            labelled or (),
            settings.seed,
            place_of(settings.device, model),
        )
        if link is not None:
            done.link(link)
        written = done.write(folder, overwrite)
    if as_json:
        print(json_text(done.content), end="")
    else:
        print_suggestion(done)
    said = Console(stderr=as_json)
    for text in endings(pool, written, link, source_of_run(model)):
        said.print(Text(text), soft_wrap=True, highlight=False)


def default_folder(pool: str) -> Path:
    """The folder that is written when none is given.

    >>> default_folder("photos/new ones").name
    'suggest-new-ones'
    """
    name = "pool" if pool == "-" else Path(pool).resolve().name
    safe = re.sub(r"[^\w.]+", "-", name).strip("-.")
    return Path(f"suggest-{safe or 'pool'}")


def source_of_run(model: str | Path) -> dict[str, Any] | None:
    """`data.train` of the recipe of a run; None of other models, and of images with captions."""
    from adapt.explore.training_images import recipe_of
    from adapt.recipe.load import load

    recipe = recipe_of(model)
    if recipe is None:
        return None
    with suppress(AdaptError):
        loaded = load(recipe)
        if not getattr(loaded.recipe.data.train, "has_captions", False):
            source: dict[str, Any] = loaded.resolved["data"]["train"]
            return source
    return None


def endings(
    pool: str, written: Path, link: Path | None, before: dict[str, Any] | None = None
) -> list[str]:
    """Where everything is, and what to do with the list.

    Args:
        pool: What was asked about.
        written: The list.
        link: Folder of links to the images.
        before: What the model was trained on, as a source of a recipe.
    """
    from adapt.data.sources.base import COMMON
    from adapt.recipe.text import in_one_line

    source: dict[str, Any] = {"kind": "table", "path": str(written)}
    source |= {"root": pool} if Path(pool).is_dir() else {}
    drawn = {key: before[key] for key in DRAWN if before and before.get(key) is not None}
    if before is not None:
        parts = before["parts"] if before["kind"] == "combined" else [before]
        own = [{key: part[key] for key in part if key not in COMMON} for part in parts]
        group = {"group": before["group"]} if before.get("group") else {}
        source = {"kind": "combined", **group, "parts": [*own, source]}
    words = shlex.quote(f"data.train={in_one_line(source)}")
    lines = [f"list    {written}", f"page    {written.with_suffix('.html')}"]
    if link is not None:
        lines.append(f"links   {link}")
    if drawn:
        said = ", ".join(f"{key}: {value}" for key, value in drawn.items())
        lines.append(f"note    the run drew {said} of its images; what follows takes all of them")
    lines.append(f"then    fill in its column `label`, and train with {words}")
    return lines


def print_suggestion(done: "Suggestion") -> None:
    """Print the first images, what was left out, and the learning curve."""
    from adapt.report.explore.suggest import left_out

    content = done.content
    picks = content["picks"]
    shown = Table(title=f"what to label next: {min(SHOWN, len(picks))} of {len(picks)} images")
    for name in ("rank", "path", "predicted", "why"):
        shown.add_column(name, justify="right" if name == "rank" else "left", overflow="fold")
    for pick in picks[:SHOWN]:
        words = pick["path"], content["classes"][pick["predicted"]], pick["why"]
        shown.add_row(str(pick["rank"]), *(Text(printable(word)) for word in words))
    console.print(shown)
    for note in [*left_out(content), *content["notes"]]:
        console.print(Text(printable(f"note    {note}"), style="dim"), soft_wrap=True)
    if content["how_many"]:
        print_curve(content["how_many"])


def print_curve(curve: dict[str, Any]) -> None:
    """Print how many more labels would bring how much, and which classes gain most."""
    from adapt.report.explore.suggest import class_table, curve_table

    for table, most in ((curve_table(curve), None), (class_table(curve), SHOWN)):
        shown = Table(title=table.caption)
        for place, name in enumerate(table.header):
            shown.add_column(name, justify="right" if place else "left")
        for row in table.rows[:most]:
            cells = [f"{cell.text} ({cell.note})" if cell.note else cell.text for cell in row]
            shown.add_row(*(Text(printable(cell)) for cell in cells))
        console.print(shown)
