"""The command that searches in embeddings, and what it prints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapt.cli.shared.options import AsJson, Overwrite, with_settings
from adapt.common.files import check_new, json_text
from adapt.common.words import printable
from adapt.errors import RecipeError, did_you_mean
from adapt.explore.search.settings import SearchSettings

if TYPE_CHECKING:
    from adapt.explore.search.result import SearchResult

console = Console()
OPTIONS = {
    "image": typer.Option(help="Image that the answers should look like. May be given again."),
    "minus": typer.Option("--not", help="What they should show less. May be given again."),
    "class_name": typer.Option("--class", help="Class of the model. May be given again."),
    "captions": typer.Option(
        help="Rank the captions of this file (one in each line, or a CSV column `caption`) for one "
        "--image, in place of a search."
    ),
    "top": typer.Option(help="Answers."),
    "image_weight": typer.Option(help="How much an image counts, where a text counts 1."),
    "not_weight": typer.Option(help="How much --not counts, where a text counts 1."),
    "template": typer.Option(
        help="Sentence with one {} to put texts into; several are averaged. Texts stay as they "
        "are if not given."
    ),
    "model": typer.Option(help="The model that made the index, if it lies elsewhere now."),
    "method": typer.Option(help="exact, faiss, or auto: exact up to a million images."),
    "device": typer.Option(help="auto (a GPU where there is one), cpu, cuda or mps."),
    "trust": typer.Option(
        "--trust", help="Open the format torch too: you know where it comes from."
    ),
}


@with_settings(SearchSettings, OPTIONS)
def search(
    index: Annotated[Path, typer.Argument(help="What `adapt embed` wrote.")],
    settings: SearchSettings,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="What the images show, in words. One with a minus before it, as in 'a red bus "
            "-beach', is wanted less.",
            metavar="[TEXT]",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    csv: Annotated[Path | None, typer.Option(help="File for a table.")] = None,
    page: Annotated[Path | None, typer.Option(help="File for a page with pictures.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Search in embeddings by text, image or both; or rank captions for an image."""
    from adapt.models.building.light import import_open_clip

    _check_words(index, words or [])
    check_new(*[path for path in (csv, page) if path is not None], overwrite=overwrite)
    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.explore.search.index import Index
    from adapt.explore.search.result import ask

    with progress_shown(as_json):
        opened = Index.open(
            index,
            model=settings.model,
            device=settings.device,
            method=settings.method,
            trust=settings.trust,
        )
        done = ask(opened, index, words or [], settings)
    if as_json:
        print(json_text(done.content), end="")
    else:
        console.print(answer_table(done))
    for word, path, write in (("table", csv, done.write_csv), ("page ", page, done.write_page)):
        if path is not None:
            text = f"{word}   {write(path, overwrite)}"
            Console(stderr=as_json).print(text, soft_wrap=True, markup=False, highlight=False)


def _check_words(index: Path, words: list[str]) -> None:
    """Refuse what looks like an option and is none: a word that is wanted less has a single minus.

    Raises:
        RecipeError: When there is such a word.
    """
    named = {"minus": "not", "class_name": "class"}
    known = [named.get(name, name) for name in [*OPTIONS, "json", "csv", "page", "overwrite"]]
    options = [f"--{name.replace('_', '-')}" for name in known]
    for word in [str(index), *words]:
        if word.startswith("--"):
            hint = did_you_mean(word.split("=")[0], options)
            raise RecipeError(f"search - no such option{hint} - {word!r} - see adapt search --help")


def answer_table(done: "SearchResult") -> Table:
    """The answers, best first."""
    from adapt.report.explore.search import score, title

    table = Table(title=Text(printable(title(done.content))))
    for name in done.columns:
        table.add_column(name, justify="left" if name in ("path", "caption") else "right",
                         overflow="fold")  # fmt: skip
    for answer in done.content["answers"]:
        shown = answer.get("path", answer.get("caption"))
        table.add_row(str(answer["rank"]), Text(printable(shown)), score(answer["score"]))
    return table
