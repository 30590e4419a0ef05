"""How `adapt check` shows its progress and its findings."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from adapt.common.words import first_few, plural, printable
from adapt.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from adapt.checks.check import Check
    from adapt.data.splits.exclusions import Excluded

FAIL_ON = ("error", "warning", "never")
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
STRONGER = "a stronger CLIP finds more and makes fewer errors: --model ViT-B-32 --pretrained openai"
YAML = (".yaml", ".yml")
SHOWN = 20
"""Images printed of one reason to leave images out; the list and check.json hold all."""


def check_fail_on(level: str) -> None:
    """Refuse an unknown level.

    Raises:
        RecipeError: Naming the known ones.
    """
    if level not in FAIL_ON:
        raise RecipeError(
            f"--fail-on - not a level - {level!r}{did_you_mean(level, FAIL_ON)} - choose one of "
            f"{', '.join(FAIL_ON)}"
        )


def print_check(console: Console, check: "Check") -> None:
    """Print the findings, most serious first, how to fix each, and a verdict."""
    from adapt.report.check_page import verdict

    for finding in check.content["findings"]:
        level, places = finding["level"], finding["places"]
        count = f"{len(places):>5}" if places else "    -"
        line = Text.assemble((f"{level:<7}", STYLES[level]), f" {count}  ")
        _print(console, line.append(finding["message"]))
        _print(console, Text(f"               fix: {finding['fix']}", style="green"))
    for note in check.content["notes"]:
        _print(console, Text.assemble((f"{'':<14} {note}", STYLES["note"])))
    for name, scores in check.content["leak_free"].items():
        if scores["leaked"]:
            _print(console, Text(f"{name}: {leak_sentence(scores)}"))
    _print(console, Text(verdict(check.content), style="bold"))
    model = check.content["model"]
    if model and model["embedded"]:
        judge = f"labels and class names were checked with the small {model['arch']}"
        _print(console, Text(f"{judge}; {STRONGER}", style="dim"))


def left_out(lines: "Sequence[Excluded]") -> list[str]:
    """What a list leaves out, a line for each reason.

    Args:
        lines: Of the list.

    >>> from adapt.data.splits.exclusions import Excluded
    >>> left_out([Excluded("0" * 64, "train", "cat/1.png", "blank")])
    ['  blank: 1 image: train/cat/1.png']
    """
    by_reason: dict[str, list[str]] = {}
    for line in lines:
        by_reason.setdefault(line.reason, []).append(f"{line.split}/{line.path}")
    return [
        f"  {reason.replace('_', ' ')}: {plural(len(paths), 'image')}: {first_few(paths, SHOWN)}"
        for reason, paths in by_reason.items()
    ]


def print_left_out(console: Console, lines: "Sequence[Excluded]", written: Path | None) -> None:
    """Print what `--fix` leaves out, or would.

    Args:
        console: Where to.
        lines: Of the list.
        written: The list; None where it was not asked for.
    """
    count = plural(len(lines), "image")
    if written is not None:
        use = f"use it in a recipe as `data.exclude: {written}`"
        _print(console, Text(f"list    {written}: {count}; {use}"))
    elif lines:
        _print(console, Text(f"--fix FILE would leave out {count}:"))
    for line in left_out(lines):
        _print(console, Text(line, style="dim"))


def write_fixes(
    console: Console, check: "Check", files: Sequence[Path], labels: bool = False
) -> None:
    """Write the files of `--fix`, and print what they hold or would hold.

    Args:
        console: Where to.
        check: The result.
        files: Those that end like YAML are for class names, others for images to leave out.
        labels: Whether images with suspected labels are left out too.
    """
    from adapt.checks.record import exclusions

    names = [file for file in files if file.suffix.lower() in YAML]
    lists = [file for file in files if file not in names]
    for listed in lists:
        check.write_exclusions(listed, labels)
    written: list[Path | None] = [*lists]
    for file in written or [None]:
        print_left_out(console, exclusions(check.content, labels), file)
    for named in names:
        lines, unknown = check.write_names(named)
        use = f"use it in a recipe as `data.classes: {named}`" if lines else "nothing to clean"
        _print(console, Text(f"names   {named}: {plural(len(lines), 'class')}; {use}"))
        if unknown:
            todo = f"{plural(len(unknown), 'class')} only you can name: fill in the comments"
            _print(console, Text(f"        {todo}", style="dim"))


def leak_sentence(scores: dict[str, float | None]) -> str:
    """The accuracy of a probe with and without leaked images, in words.

    >>> leak_sentence({"leaked": 2, "accuracy": 0.5, "leak_free_accuracy": 0.25})
    'a linear probe scores 50.0 % on all images, 25.0 % without the 2 that leak'
    """
    whole, free = scores["accuracy"], scores["leak_free_accuracy"]
    rest = "n/a" if free is None else f"{100 * free:.1f} %"
    with_all = "n/a" if whole is None else f"{100 * whole:.1f} %"
    leaked = scores["leaked"]
    return f"a linear probe scores {with_all} on all images, {rest} without the {leaked} that leak"


def _print(console: Console, text: Text) -> None:
    """Print file names without signs that a terminal would obey: these are escaped."""
    text.plain = printable(text.plain)
    console.print(text, soft_wrap=True, highlight=False)


def default_folder(name: str) -> Path:
    """The folder of the page when none is given.

    >>> default_folder("my photos").name
    'check-my-photos'
    """
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-")
    return Path(f"check-{safe or 'data'}")
