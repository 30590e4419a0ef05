"""`adapt report`: the report of a run again, or many runs on one page."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adapt.cli.shared.options import AsJson, Overwrite
from adapt.common.files import json_text
from adapt.errors import RecipeError

PAGE = Path("runs.html")
"""Where many runs are compared if no file is given."""
console = Console()


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    compare: Annotated[
        bool, typer.Option("--compare", help="One page over all these runs instead.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=f"With --compare: the page; {PAGE} if not given."),
    ] = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the report of a run again, or compare runs. Loads no model.

    adapt report RUN | adapt report --compare RUN RUN RUN
    """
    if compare:
        _compare(folders, output, as_json, overwrite)
        return
    if output is not None or as_json or overwrite:
        option = "--output" if output is not None else "--json" if as_json else "--overwrite"
        raise RecipeError(
            f"report - {option} belongs to --compare - given without it - leave it out: a report "
            "is written into its run folder"
        )
    from adapt.report import write_report

    for folder in folders:
        for path in write_report(folder, ["html", "md"]):
            _print(str(path))


def _compare(folders: list[Path], output: Path | None, as_json: bool, overwrite: bool) -> None:
    from adapt.comparison.runs import compare_runs
    from adapt.report.comparison.runs import headline

    done = compare_runs(folders)
    if not as_json or output is not None:
        page = done.write(output or PAGE, overwrite)
    if as_json:
        typer.echo(json_text(done.content))
        return
    _print(headline(done.content))
    _print(f"page    {page}")


def _print(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
