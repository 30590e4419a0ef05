"""`adapt audit`: who is served badly."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapt.cli.shared.options import ROOT, AsJson, Overwrite, with_settings
from adapt.common.words import printable
from adapt.explore.audit.settings import AuditSettings

if TYPE_CHECKING:
    from adapt.explore.audit.result import Audit

LIMIT_FAILED = 1
"""Exit code where a limit failed, as that of `adapt diff`."""
OPTIONS = {
    "root": ROOT,
    "min_images": typer.Option(help="Images below which a group is listed and not judged."),
    "level": typer.Option(help="A gap is clear where its adjusted p-value is at most this."),
    "correction": typer.Option(help="For many tests: bh (Benjamini-Hochberg) or holm."),
    "cross": typer.Option("--cross", help="Also groups of all combinations of the columns."),
    "extra_classes": typer.Option(
        help="File of further classes (one a line, or YAML): who is answered with them, zero-shot."
    ),
    "base": typer.Option(
        help="Pretrained weights that the model started from; found if not given."
    ),
}
console = Console()


@with_settings(AuditSettings, OPTIONS)
def audit(
    model: Annotated[Path, typer.Argument(help="A run folder, a bundle or an export.")],
    table: Annotated[
        str,
        typer.Argument(
            help="Labelled images with group columns: CSV or Parquet table, or a recipe whose test "
            "set has some."
        ),
    ],
    settings: AuditSettings,
    by: Annotated[str, typer.Option(help="Columns, such as site or site,sex.")],
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with code 1 if this holds, such as 'worst_group < 80' or 'site.gap > 10'. "
            "May be given several times; `adapt list limits` shows the quantities."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for audit.html and audit.json; default audit-MODEL."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare accuracy and recall between groups of images. Exits with 1 when a limit failed."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.common.files import check_new, json_text
    from adapt.comparison.sides import title_of
    from adapt.explore.audit.result import audit as look
    from adapt.explore.audit.result import result_files

    folder = out or Path(f"audit-{title_of(model)}")
    check_new(*result_files(folder), overwrite=overwrite)
    columns = [name.strip() for name in by.split(",") if name.strip()]
    with progress_shown(as_json):
        done = look(model, table, columns, settings, fail_if or ())
    page = done.write(folder, overwrite)
    if as_json:
        print(json_text(done.content), end="")
    else:
        _print_result(done, page)
    if done.failed:
        raise typer.Exit(LIMIT_FAILED)


def _print_result(done: "Audit", page: Path) -> None:
    from adapt.report.explore.audit import headline, sentences
    from adapt.report.templating import sentence

    content = done.content
    _print(sentence(headline(content)), "bold")
    for name in content["columns"]:
        console.print(groups_table(name, content["columns"][name]))
        for line in sentences(name, content):
            _print(line)
    if content["no_start"]:
        _print(f"note    zero-shot is not shown: {content['no_start']}", "dim")
    for note in [*content["notes"], *content["unreadable"]]:
        _print(f"note    {note}", "dim")
    _print(f"page    {page}")
    for limit in content["limits"]:
        word, style = ("FAILED", "bold red") if limit["failed"] else ("passed", "green")
        _print(f"{word:<7} {limit['limit']}: measured {limit['value']:.4g}", style)


def groups_table(name: str, told: dict[str, Any]) -> Table:
    """The groups of a column for the terminal."""
    from adapt.report.explore.audit_tables import accuracy_table, change_table

    shown, before = accuracy_table(name, told), change_table(name, told)
    table = Table(title=f"accuracy by {name}, with 95 % intervals")
    for place, text in enumerate([*shown.header[:6], *(["zero-shot"] if before else [])]):
        table.add_column(text, justify="right" if place else "left")
    for place, row in enumerate(shown.rows):
        cells = [*row[:6], *([before.rows[place][2]] if before else [])]
        table.add_row(*map(_cell_text, cells))
    return table


def _cell_text(cell: Any) -> Text:
    styles = {"better": "green", "worse": "red"}
    words = " ".join(part for part in (cell.text, cell.change) if part)
    note = f"\n{cell.note}" if cell.note else ""
    return Text(printable(words) + note, style=styles.get(cell.tone, ""))


def _print(text: str, style: str = "") -> None:
    console.print(Text(printable(text), style=style), soft_wrap=True, highlight=False)
