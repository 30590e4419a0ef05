"""The command line: prints what the API returns and turns errors into exit codes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from adapt.checks.settings import CheckSettings
from adapt.cli.averages import mix, soup
from adapt.cli.commands.audit import audit
from adapt.cli.commands.cache import commands as cache_commands
from adapt.cli.commands.monitor import monitor
from adapt.cli.commands.report import report
from adapt.cli.commands.search import search
from adapt.cli.commands.serve import serve
from adapt.cli.commands.suggest import suggest
from adapt.cli.commands.weak_spots import probe_weak_spots
from adapt.cli.commands.weights import convert, delta, export, pull, push, restore, sign, verify
from adapt.cli.commands.why import why
from adapt.cli.diff import diff
from adapt.cli.embed import embed
from adapt.cli.predict import predict
from adapt.cli.shared.endings import Carried, run_command
from adapt.cli.shared.options import (
    LABEL_COLUMNS,
    SEPARATOR,
    AsJson,
    Resumable,
    Root,
    with_settings,
)
from adapt.cli.sweep import sweep
from adapt.cli.tables import score_table
from adapt.common.files import json_text, write_whole
from adapt.common.words import MISSING
from adapt.errors import RecipeError
from adapt.version import __version__

if TYPE_CHECKING:
    from adapt.recipe.load import Loaded
    from adapt.recipe.photos import Call


class Commands(TyperGroup):
    """The commands; what stops one is told by `adapt.cli.shared.endings`, not by typer."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, EOFError, OSError) as error:
            raise Carried from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Adapt a pretrained CLIP to your labelled images without losing what it already knew.",
)
console = Console()

Recipe = Annotated[
    str,
    typer.Argument(help="Name of a shipped recipe (adapt list recipes), or path of a YAML file."),
]
Words = Annotated[
    list[str],
    typer.Argument(
        help="A recipe (name or YAML file), photos (folder, table, archive, shards), or both; and "
        "settings as key.path=value, such as seed=1. ~key.path takes a key out.",
        metavar="[RECIPE] [PHOTOS] [KEY=VALUE]...",
        show_default=False,
    ),
]

CHECK_OPTIONS = {
    "model": typer.Option(help="CLIP that checks labels and class names; none: pixels only."),
    "pretrained": typer.Option(help="Its weights."),
    "influence": typer.Option("--influence", help="Rank training images by how much they hurt."),
    "separator": SEPARATOR,
    "label_columns": LABEL_COLUMNS,
}


def _version(value: bool) -> None:
    if value:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=Resumable)
def run(
    words: Words,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/NAME-TIME if not given.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the run in --out; with `--resume auto`, begin it where there is none.",
        ),
    ] = False,
    resume_auto: Annotated[bool, typer.Option("--resume-auto", hidden=True)] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier run in --out.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the result.")] = False,
    accept_changed_data: Annotated[
        bool,
        typer.Option(
            "--accept-changed-data", help="With --resume: go on with images that have changed."
        ),
    ] = False,
    from_previous: Annotated[
        bool,
        typer.Option(
            "--from-previous",
            help="With --resume: where the last checkpoint is damaged, use the one before.",
        ),
    ] = False,
) -> None:
    """Adapt on labelled photos, by a recipe. Writes scores, a report and a model.

    adapt run photos | adapt run robust_default photos | adapt run quickstart
    """
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.report import verdict
    from adapt.runs.folder.resume import Resume
    from adapt.runs.run import run as run_recipe

    going_on = Resume.read(
        resume,
        auto=resume_auto,
        accept_changed_data=accept_changed_data,
        from_previous=from_previous,
    )
    call = _read_call(words)
    with progress_shown(quiet):
        done = run_recipe(
            call.recipe, call.overrides, out, going_on or False, overwrite, quiet, call.photos
        )
    console.print(score_table(done.scores))
    for sentence in verdict(done.scores):
        console.print(sentence, markup=False)
    for path in done.reports:
        _print_path(f"report  {path}")
    _print_path(f"model   {done.folder / 'model'}")


def _print_path(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)


def _read_call(words: list[str]) -> "Call":
    """The words told apart; one that is neither a recipe nor photos may have been meant as both."""
    from adapt.recipe.photos import read_call
    from adapt.recipe.shipped import find_recipe

    call = read_call(words)
    if call.photos is None:
        try:
            find_recipe(call.recipe)
        except RecipeError as error:
            photos = "for photos, a folder, table or archive that is there"
            raise RecipeError(f"{error}; or, {photos}") from error
    return call


def _load(words: list[str]) -> "Loaded":
    from adapt.recipe.load import load

    call = _read_call(words)
    return load(call.recipe, call.overrides, photos=call.photos)


@app.command()
def validate(words: Words) -> None:
    """Check a recipe and list every mistake. Opens no images and no weights."""
    loaded = _load(words)
    console.print(f"valid: {loaded.recipe.name} ({loaded.recipe.method['name']})", markup=False)


@app.command()
def schema(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; printed if not given.")
    ] = None,
) -> None:
    """Write the JSON Schema of recipes, so that editors complete and check them."""
    from adapt.common.files import write_json
    from adapt.recipe.json_schema import recipe_schema

    if output is None:
        print(json_text(recipe_schema()), end="")
        return
    path = write_json(output, recipe_schema())
    line = f"# yaml-language-server: $schema={path}"
    console.print(f"{path}; begin a recipe with the line\n{line}", soft_wrap=True, markup=False)


@app.command()
def plan(
    words: Words,
    as_json: AsJson = False,
) -> None:
    """Show what a run would do. Prints settings, parameters, images, memory and risks."""
    from adapt.cli.shared.progress import progress_shown
    from adapt.runs.plan import plan as make_plan

    loaded = _load(words)
    with progress_shown():
        result = make_plan(loaded)
    if as_json:
        print(json_text(result), end="")
        return
    console.print(loaded.text(), markup=False, highlight=False)
    parameters = result["parameters"]
    console.print(
        f"trainable   {parameters['trainable']:,} of {parameters['total']:,} "
        f"({100 * parameters['share']:.2f} %)"
    )
    console.print(
        "images      " + ", ".join(f"{name} {count}" for name, count in result["images"].items()),
        markup=False,
    )
    console.print(f"classes     {result['classes']}\nsteps       {result['steps']}")
    console.print(
        f"device      {result['device']}, precision {result['precision']}, about "
        f"{result['memory_gib']} GiB"
    )
    console.print(
        f"disk        about {result['disk_gb']['run']} GB in the run folder, "
        f"{result['disk_gb']['cache']} GB in the cache"
    )
    for risk in result["risks"] or ["none found"]:
        console.print(f"risk        {risk}", markup=False)


@app.command()
@with_settings(CheckSettings, CHECK_OPTIONS)
def check(
    words: Annotated[
        list[str],
        typer.Argument(
            help="Folder with one folder per class (or train, test, ...), table, archive or "
            "recipe; a recipe may be followed by photos and settings.",
            metavar="PHOTOS | RECIPE [PHOTOS] [KEY=VALUE]...",
            show_default=False,
        ),
    ],
    settings: CheckSettings,
    root: Root = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for check.html and check.json; default check-NAME."),
    ] = None,
    fix: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write the list of images to leave out, for `data.exclude`; or, as FILE.yaml, "
            "class names in words, for `data.classes`. May be given twice."
        ),
    ] = None,
    fix_labels: Annotated[
        bool, typer.Option("--fix-labels", help="Also leave out images with suspected labels.")
    ] = False,
    fail_on: Annotated[
        str, typer.Option(help="Exit with code 3 from this level on: error, warning or never.")
    ] = "error",
) -> None:
    """Find what is wrong with labelled images, and how to fix it."""
    from adapt.checks.check import check as check_data
    from adapt.cli.check import check_fail_on, default_folder, print_check, write_fixes
    from adapt.cli.shared.progress import progress_shown
    from adapt.common.progress import told
    from adapt.data.labels.label_sets import labels_said

    check_fail_on(fail_on)
    data = words[0] if len(words) == 1 else _load(words)
    model = None if settings.model == "none" else settings.model
    with progress_shown():
        result = check_data(
            data,
            root,
            model,
            settings.pretrained,
            None,
            told(),
            settings.influence,
            labels_said(settings.separator, settings.label_columns),
        )
    print_check(console, result)
    page = result.write(out or default_folder(result.content["name"]))
    console.print(f"page    {page}", soft_wrap=True, markup=False)
    write_fixes(console, result, fix or [], fix_labels)
    if result.failed(fail_on):
        raise typer.Exit(3)


@app.command("list")
def list_names(
    kind: Annotated[
        str,
        typer.Argument(
            help="recipes, methods, models, shifts, templates, formats, limits, strategies"
        ),
    ],
) -> None:
    """List recipes, methods, models, shifts, templates, formats, limits or strategies."""
    from adapt.cli.commands.listing import names_of

    rows = names_of(kind)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        console.print(
            f"{name:<{width}}  {text}".rstrip(), markup=False, highlight=False, soft_wrap=True
        )


@app.command()
def copy(
    recipe: Recipe, folder: Annotated[Path, typer.Argument(help="Folder to copy it to.")]
) -> None:
    """Copy a shipped recipe so that you can change it."""
    from adapt.recipe.shipped import find_recipe

    source = find_recipe(recipe)
    target = folder / source.name
    if target.exists():
        raise RecipeError(
            f"{target} - exists - it would be overwritten - choose another folder or delete it"
        )
    write_whole(target, lambda part: part.write_bytes(source.read_bytes()), "choose another folder")
    _print_path(str(target))
    photos = " PHOTOS" if MISSING in target.read_text(encoding="utf-8") else ""
    _print_path(f"to run  adapt run {target}{photos}")


app.command()(report)
app.command()(sweep)
app.command()(predict)
app.command()(embed)
# `-beach` is a word of the question, whether it stands in quotes or not.
app.command(context_settings={"ignore_unknown_options": True})(search)
app.command()(diff)
app.command()(audit)
app.command()(why)
app.command()(monitor)
app.command("probe-weak-spots")(probe_weak_spots)
app.command()(soup)
app.command()(mix)
app.command()(convert)
app.command()(verify)
app.command()(export)
app.command()(delta)
app.command()(restore)
app.command()(sign)
app.command()(serve)
app.command()(suggest)
app.command()(push)
app.command()(pull)
app.add_typer(cache_commands, name="cache")


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its code."""
    sys.exit(run_command(lambda: app(standalone_mode=False)))
