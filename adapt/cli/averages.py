"""Commands that average the models of finished runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adapt.cli.tables import soup_sentence, soup_table

console = Console()


def soup(
    runs: Annotated[list[Path], typer.Argument(help="Two or more run folders.")],
    out: Annotated[Path, typer.Option(help="New folder for the model and soup.json.")],
    select: Annotated[
        str,
        typer.Option(
            help="greedy, uniform, model_stock, ties, dare, slerp (of two), fisher or regmean."
        ),
    ] = "greedy",
    allow_other_splits: Annotated[
        bool,
        typer.Option(
            "--allow-other-splits",
            help="Continue even if a run trained on val images of the first.",
        ),
    ] = False,
) -> None:
    """Average the tuned models of runs. Val images come from the first run."""
    from adapt.cli.shared.progress import progress_shown
    from adapt.runs.soup import soup_runs

    with progress_shown():
        made = soup_runs(runs, out, select, allow_other_splits)
    assert made.report is not None
    console.print(soup_table(made.report, select))
    console.print(soup_sentence(made.report, select))
    _print_made(made.notes, made.folder)


def mix(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    alpha: Annotated[float, typer.Option(help="From 0 (the start) to 1 (the tuned model).")],
    out: Annotated[Path, typer.Option(help="New folder for the model.")],
    shallow: Annotated[
        float,
        typer.Option(help="Fraction of its change that layer 1 keeps (LiNeS); 1 is all."),
    ] = 1.0,
    recalibrate: Annotated[
        bool,
        typer.Option("--recalibrate", help="Fit the temperature on the run's val images."),
    ] = False,
) -> None:
    """Make a model with another alpha from a run. Trains nothing."""
    from adapt.cli.shared.progress import progress_shown
    from adapt.runs.soup import mix_run

    with progress_shown():
        made = mix_run(folder, alpha, out, recalibrate, shallow)
    _print_made(made.notes, made.folder)


def _print_made(notes: list[str], model: Path) -> None:
    for note in notes:
        console.print(f"note    {note}", markup=False)
    console.print(f"model   {model}", soft_wrap=True, markup=False)
