"""The command that says why a model answered as it did."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapt.cli.shared.options import AsJson, Overwrite, with_settings
from adapt.common.files import check_new, json_text
from adapt.common.words import printable
from adapt.explore.why.settings import WhySettings

console = Console()


OPTIONS = {
    "label": typer.Option(
        help="Where images have several labels, the one to explain; the most probable without."
    ),
    "rival": typer.Option(
        help="The class to hold against the answer; the second most likely without."
    ),
    "where": typer.Option("--where/--no-where", help="Which regions of the image matter."),
    "top": typer.Option(help="Training images of each kind."),
}


@with_settings(WhySettings, OPTIONS)
def why(
    model: Annotated[Path, typer.Argument(help="A run folder, or the `model` folder of a run.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    settings: WhySettings,
    train: Annotated[
        str | None,
        typer.Option(
            help="What the model was trained on: folder, table, archive or recipe. A run folder "
            "knows it."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for why.html and why.json; default why-MODEL.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Why a model answers so: training images that pull it there, regions, words."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.comparison.sides import title_of
    from adapt.explore.why.result import result_files
    from adapt.explore.why.result import why as explained

    folder = out or Path(f"why-{title_of(model)}")
    check_new(*result_files(folder), overwrite=overwrite)
    with progress_shown(quiet=as_json):
        done = explained(model, images, train, settings)
    page = done.write(folder, overwrite)
    if as_json:
        print(json_text(done.content), end="")
        return
    print_why(done.content)
    _print(f"page    {page}")


def print_why(content: dict[str, Any]) -> None:
    """Print the verdict on each image, and the training images that pull."""
    from adapt.report.explore.why import verdict

    for told in content["images"]:
        _print(told["image"], "bold")
        for sentence in verdict(told):
            _print(sentence)
        for part in ("training", "regions", "words"):
            if isinstance(told[part], str):
                _print(f"note    {part}: {told[part]}", "dim")
        if isinstance(told["training"], dict):
            console.print(pull_table(told))


def pull_table(told: dict[str, Any]) -> Table:
    """The training images that pull to the answer and to its rival."""
    table = Table(title="labels that pull: how the margin of a probe changes without them")
    for name, side in (("to", "left"), ("label", "left"), ("image", "left"), ("change", "right")):
        table.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
    for kind in ("answer", "rival"):
        for entry in told["training"]["pulls"][kind]:
            change = entry["change"] if entry["refitted"] is None else entry["refitted"]
            words = (told[kind]["class"], entry["label"], entry["path"], f"{change:+.2f}")
            table.add_row(*(Text(printable(word)) for word in words))
    return table


def _print(text: str, style: str = "") -> None:
    console.print(Text(printable(text), style=style), soft_wrap=True, highlight=False)
