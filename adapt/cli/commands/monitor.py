"""`adapt monitor`: images of a new place, without labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from adapt.cli.shared.options import AsJson, Overwrite, with_settings
from adapt.common.words import printable
from adapt.explore.monitor.settings import MonitorSettings

if TYPE_CHECKING:
    from adapt.explore.monitor.result import Monitoring

ALARM = 6
"""Exit code where something passed its limit."""
console = Console()
Model = Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")]
Source = Annotated[
    str,
    typer.Argument(
        help="Images of the new place, without labels: folder, image, CSV or Parquet table with a "
        "column `path`, zip, tar, a pattern of tar shards, or - for a list of paths."
    ),
]
OPTIONS = {
    "level": typer.Option(help="False-alarm rate of the test for another distribution."),
    "min_accuracy": typer.Option(help="Alarm where the estimated accuracy is below, 0 to 1."),
    "max_unknown": typer.Option(help="Alarm where a larger share looks like no class, 0 to 1."),
    "width": typer.Option(help="Label so many images that the accuracy is known to +- so much."),
    "line": typer.Option(
        "--line/--no-line", help="Ask models between the start and this one as well."
    ),
    "batch_size": typer.Option(help="Images computed at once."),
    "device": typer.Option(help="auto (a GPU where there is one), cpu, cuda or mps."),
    "null": typer.Option("-0", "--null", help="The list on standard input ends paths with NUL."),
    "trust": typer.Option(
        "--trust", help="Open the format torch too: you know where it comes from."
    ),
}


@with_settings(MonitorSettings, OPTIONS)
def monitor(
    model: Model,
    images: Source,
    settings: MonitorSettings,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Labelled images that the model did not learn from, in place of the statistics in "
            "the bundle."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for monitor.html, monitor.json and to_label.csv; nothing is written "
            "without it."
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Pretrained weights that the model started from; found if not given."),
    ] = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Look at images of a new place, without labels. Exits with 6 on an alarm."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.common.files import check_new, json_text
    from adapt.explore.monitor.result import monitor as look
    from adapt.explore.monitor.result import result_files

    if out is not None:
        check_new(*result_files(out), overwrite=overwrite)
    with progress_shown(as_json):
        done = look(model, images, reference, settings, base)
    page = None if out is None else done.write(out, overwrite)
    if as_json:
        print(json_text(done.content), end="")
    else:
        _print_result(done, page)
    if done.alarm:
        raise typer.Exit(ALARM)


def _print_result(done: "Monitoring", page: Path | None) -> None:
    from adapt.report.explore.monitor import headline, label_sentence, sentences
    from adapt.report.templating import sentence

    content = done.content
    _print(sentence(headline(content)), "bold")
    for line in sentences(content):
        _print(line)
    for reason, count in content["errors"].items():
        _print(f"left out {count}: {reason}", "dim")
    if page is None:
        _print("--out FOLDER writes a page, and a table of images to label", "dim")
    else:
        _print(label_sentence(content))
        _print(f"page    {page}")
    for alarm in content["alarms"]:
        _print(f"ALARM   {alarm}", "bold red")


def _print(text: str, style: str = "") -> None:
    console.print(Text(printable(text), style=style), soft_wrap=True, highlight=False)
