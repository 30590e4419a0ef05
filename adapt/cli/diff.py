"""The command that compares two models, and what it prints."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapt.cli.shared.options import (
    LABEL_COLUMNS,
    ROOT,
    SEPARATOR,
    Overwrite,
    with_settings,
)
from adapt.common.words import listed, printable
from adapt.errors import RecipeError

if TYPE_CHECKING:
    from adapt.comparison import Comparison
    from adapt.comparison.data import TableForm

STYLES = {"better": "green", "worse": "red", "unclear": ""}
LIMIT_FAILED = 1
"""Exit code where a limit failed."""
console = Console()


@dataclass(frozen=True)
class Asking:
    """How the models are asked."""

    root: str | None = None
    separator: str | None = None
    label_columns: str | None = None
    latency: bool = True
    device: str = "auto"

    @property
    def table(self) -> "TableForm | None":
        """How tables are read; None where nothing is said of it."""
        from adapt.comparison.data import TableForm
        from adapt.data.labels.label_sets import labels_said

        form = TableForm(self.root, labels_said(self.separator, self.label_columns))
        return None if form == TableForm() else form


OPTIONS = {
    "root": ROOT,
    "separator": SEPARATOR,
    "label_columns": LABEL_COLUMNS,
    "latency": typer.Option("--latency/--no-latency", help="Measure how long each model takes."),
    "device": typer.Option(help="auto (a GPU where there is one), cpu, cuda or mps."),
}


@with_settings(Asking, OPTIONS)
def diff(
    words: Annotated[
        list[str],
        typer.Argument(
            help="The model before and the model after: bundles, exports or run folders. Then "
            "labelled images (folder, table, archive), or a recipe with test sets; without, two "
            "run folders are compared by what they stored.",
            metavar="A B [DATA]",
            show_default=False,
        ),
    ],
    settings: Asking,
    shift: Annotated[
        list[str] | None,
        typer.Option(
            help="Another set: NAME=DATA, or NAME=KIND:SEVERITY for a corruption of DATA. May be "
            "given several times."
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with code 1 if this holds, such as 'broken > 1%' or 'accuracy < -0.5'. May "
            "be given several times; `adapt list limits` shows the quantities."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for diff.html and diff.json; default diff-A-B.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="File for a comment on a pull request.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare two models on the same images. Exits with 1 when a limit failed."""
    a, b, data = _models_and_data(words)
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.comparison import compare
    from adapt.export.load import place_of

    folder = out or default_folder(a, b)
    _check_outputs(folder, markdown, overwrite)
    with progress_shown():
        place = place_of(settings.device, a, b)
        given = shift or (), fail_if or (), settings.latency, place, settings.table
        done = compare(a, b, data, *given)
    print_comparison(done)
    page = done.write(folder, overwrite)
    console.print(f"page    {page}", soft_wrap=True, markup=False, highlight=False)
    if markdown is not None:
        written = done.write_comment(markdown, overwrite)
        console.print(f"comment {written}", soft_wrap=True, markup=False, highlight=False)
    if done.failed:
        raise typer.Exit(LIMIT_FAILED)


def _models_and_data(words: Sequence[str]) -> tuple[str, str, str | None]:
    if not 2 <= len(words) <= 3:
        raise RecipeError(
            f"diff - not two models and images - given {listed(words)} - write adapt diff A B, or "
            "adapt diff A B DATA"
        )
    return words[0], words[1], words[2] if len(words) > 2 else None


def _check_outputs(folder: Path, comment: Path | None, overwrite: bool) -> None:
    """Refuse to replace files before anything is computed."""
    from adapt.common.files import check_new
    from adapt.comparison.result import result_files

    comments = [] if comment is None else [comment]
    check_new(*result_files(folder), *comments, overwrite=overwrite)


def default_folder(a: str, b: str) -> Path:
    """The folder of the page of two models when none is given.

    >>> default_folder("runs/old", "runs/new/model").name
    'diff-old-new'
    """
    from adapt.comparison.sides import title_of, told_apart

    names = told_apart((title_of(a), title_of(b)), (a, b))
    safe = re.sub(r"[^\w.]+", "-", "-".join(names)).strip("-.")
    return Path(f"diff-{safe or 'models'}")


def print_comparison(done: "Comparison") -> None:
    """Print the table of sets, the verdict, and every limit."""
    from adapt.report.comparison.shown import ShownComparison
    from adapt.report.comparison.tables import cost_lines

    content, shown = done.content, ShownComparison.of(done.content)
    for side in ("a", "b"):
        own = content[side]
        _print(f"{side.upper()}  {own['name']}  {own['about']}")
    console.print(accuracy_table(content))
    for leak in content["leaks"]:
        _print(f"LEAK    {leak}", "bold yellow")
    for place, sentence in enumerate(shown.verdict):
        _print(sentence, f"bold {STYLES[shown.tone]}".strip() if place == 0 else "")
    for line in cost_lines(content):
        _print(line, "dim")
    for note in content["notes"]:
        _print(f"note    {note}", "dim")
    for limit in content["limits"]:
        _print_limit(limit)


def accuracy_table(content: dict[str, Any]) -> Table:
    """Accuracy, or mAP, of both models on every set."""
    from adapt.report.comparison.shown import ShownComparison
    from adapt.report.comparison.tables import cell_text

    whole = ShownComparison.of(content)
    shown, measure = whole.sets, whole.measure
    table = Table(title=f"{measure} on the same images, B - A in points with its 95 % interval")
    for place, name in enumerate(shown.header):
        table.add_column(name.removesuffix(", points"), justify="right" if place else "left")
    for cells in shown.rows:
        words = [
            Text(cell_text(cell) if place == 4 else f"{printable(cell.text)} {cell.change}".strip())
            for place, cell in enumerate(cells)
        ]
        for word, cell in zip(words, cells, strict=True):
            word.stylize(STYLES.get(cell.tone, ""))
        table.add_row(*words)
    return table


def _print_limit(limit: dict[str, Any]) -> None:
    from adapt.report.comparison.page import value_words

    word, style = ("FAILED", "bold red") if limit["failed"] else ("passed", "green")
    _print(f"{word:<7} {limit['limit']}: measured {value_words(limit)}", style)


def _print(text: str, style: str = "") -> None:
    console.print(Text(printable(text), style=style), soft_wrap=True, highlight=False)
