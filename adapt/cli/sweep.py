"""The command that runs a recipe with many settings, and what it prints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapt.cli.shared.options import with_settings
from adapt.common.words import printable
from adapt.errors import RecipeError, RunError
from adapt.scale.sweep.settings import SweepOptions

if TYPE_CHECKING:
    from adapt.recipe.photos import Call
    from adapt.report.tables.cells import Cell
    from adapt.scale.sweep.forecast import Forecast
    from adapt.scale.sweep.run import SweepResult
    from adapt.scale.sweep.values import SweepWords

ROWS = 20
"""Settings that are printed; the page has all."""
IN_THE_PAGE = ("ships", "time of a run")
STYLES = {"worse": "dim", "unclear": "", "": ""}
console = Console()
Words = Annotated[
    list[str],
    typer.Argument(
        help="A recipe, photos, or both; then key=a,b,c for what is tried. Every combination "
        "is run; seed=0,1,2 (or seed=0..2) repeats each. A comma inside of [ ] or quotes "
        "belongs to its value.",
        metavar="[RECIPE] [PHOTOS] KEY=A,B,C...",
        show_default=False,
    ),
]


OPTIONS = {
    "at_once": typer.Option(
        "--at-once",
        help="Runs side by side: 1 if not said, or as many as Ray has room for.",
        show_default=False,
    ),
    "random": typer.Option(help="Draw so many settings of the grid, none twice, instead of all."),
    "seed": typer.Option(help="Of the draw."),
    "rank_by": typer.Option(help="Measure on val: accuracy, balanced_accuracy, nll, brier or ece."),
    "retry_failed": typer.Option("--retry-failed", help="Try runs again that have failed."),
    "engine": typer.Option(help="local, or ray: runs here, or on the cluster $RAY_ADDRESS."),
    "cpus_per_run": typer.Option(
        "--cpus-per-run", help="Of ray: processors that a run gets.", show_default=False
    ),
    "gpus_per_run": typer.Option(
        "--gpus-per-run",
        help="Of ray: GPUs that a run gets, 0.5 for half of one.",
        show_default=False,
    ),
}


@with_settings(SweepOptions, OPTIONS)
def sweep(
    words: Words,
    settings: SweepOptions,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the sweep. The same command again goes on in it."),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Show the runs, their time and memory. Runs none of them."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the result.")] = False,
) -> None:
    """Run a recipe with every combination of values, and compare what comes of it.

    adapt sweep quickstart method.optim.lr=1e-4,3e-4 seed=0..2 --out lr
    """
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.recipe.photos import read_call
    from adapt.scale.sweep.run import sweep as run_sweep
    from adapt.scale.sweep.values import read_words

    call = read_call(words)
    given = read_words(call.overrides)
    if plan:
        _print_forecast(call, given, settings, out)
        return
    folder = checked_folder(out)
    with progress_shown(quiet):
        done = run_sweep(call.recipe, given, folder, (), call.photos, settings, quiet)
    print_sweep(done)
    if done.failed or done.stopped:
        raise typer.Exit(RunError.exit_code)


def checked_folder(out: Path | None) -> Path:
    """The folder of a sweep, which has to be named so that the same command finds it again.

    Raises:
        RecipeError: When it is not.
    """
    if out is None:
        raise RecipeError(
            "--out - no folder - none given - name one: the same command again goes on in it"
        )
    return out


def print_sweep(done: "SweepResult") -> None:
    """Print the table of settings, the verdict, and why runs have failed."""
    from adapt.report.sweep.verdict import verdict

    if done.best is not None:
        console.print(table_of(done.content))
    for place, sentence in enumerate(verdict(done.content)):
        _print(sentence, "bold" if place == 0 else "")
    for name, reason in done.failed.items():
        _print(f"FAILED  {name}: {reason}", "bold red")
        _print(f"        {done.folder / 'logs' / name}.txt")
    for name in done.stopped:
        _print(f"stopped {name}: the same command goes on with it", "yellow")
    if done.best is not None:
        _print(f"model   {done.folder / 'runs' / done.best['runs'][0] / 'model'}")
    for page in done.pages:
        _print(f"page    {page}")


def table_of(content: dict[str, Any]) -> Table:
    """The best settings; what a terminal has no room for is in the page."""
    from adapt.report.sweep.tables import settings_table

    shown = settings_table(content)
    left = len(shown.rows) - ROWS
    more = f"; {left:,} more are in sweep.html" if left > 0 else ""
    table = Table(title=f"settings, best on val first{more}")
    kept = [place for place, name in enumerate(shown.header) if name not in IN_THE_PAGE]
    for place in kept:
        table.add_column(Text(printable(shown.header[place])), justify="right")
    for number, row in enumerate(shown.rows[:ROWS]):
        tone = next((cell.tone for cell in row if cell.tone), "")
        cells = [_lines(row[place]) for place in kept]
        table.add_row(*cells, style="bold" if number == 0 else STYLES[tone])
    return table


def _lines(cell: "Cell") -> Text:
    """A cell with its remark on a second line."""
    lines = [f"{cell.text} {cell.change}".strip(), cell.note]
    return Text("\n".join(printable(line) for line in lines if line))


def _print_forecast(
    call: "Call", words: "SweepWords", settings: SweepOptions, out: Path | None
) -> None:
    from adapt.cli.shared.progress import progress_shown
    from adapt.scale.sweep.forecast import forecast

    with progress_shown():
        ahead = forecast(call.recipe, call.photos, words, settings, out)
    print_forecast(ahead)


def print_forecast(ahead: "Forecast") -> None:
    """Print the runs, and what they take."""
    for run in ahead.runs:
        _print(f"{run.state:<9} {run.name}  {' '.join(run.overrides)}")
    for sentence in ahead.sentences():
        _print(sentence)


def _print(text: str, style: str = "") -> None:
    console.print(Text(printable(text), style=style), soft_wrap=True, highlight=False)
