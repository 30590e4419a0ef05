"""Options of a command from a dataclass of settings: what may be set is said in one place."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from adapt.errors import RecipeError

RESUME, AUTO = "--resume", "auto"
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
ROOT = typer.Option(help="For a table: the folder that its paths are relative to.")
SEPARATOR = typer.Option(
    help="For a table with several labels per image: what stands between them, such as '|'."
)
LABEL_COLUMNS = typer.Option(
    help="For a table with several labels per image: its columns of 0 and 1, such as cat,dog; "
    "auto takes all that are so."
)
Root = Annotated[Path | None, ROOT]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Resumable(TyperCommand):
    """A command whose flag `--resume` may be followed by `auto`, which is `--resume-auto`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words after the command."""
        return super().parse_args(ctx, joined(args))


def joined(words: Sequence[str]) -> list[str]:
    """The words of a command, `--resume auto` as one.

    >>> joined(["quickstart", "--resume", "auto", "--out", "a"])
    ['quickstart', '--resume-auto', '--out', 'a']
    >>> joined(["--resume", "quickstart"])
    ['--resume', 'quickstart']
    """
    kept: list[str] = []
    for word in words:
        if word == f"{RESUME}={AUTO}":
            kept.append(f"{RESUME}-{AUTO}")
        elif word == AUTO and kept[-1:] == [RESUME]:
            kept[-1] = f"{RESUME}-{AUTO}"
        else:
            kept.append(word)
    return kept


def with_settings(
    schema: type, options: Mapping[str, Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A command whose parameter `settings` is given as one option for each field.

    Args:
        schema: A dataclass that refuses wrong values by `ValueError`.
        options: `typer.Option(...)` of each field; its default is that of the field.

    Raises:
        RecipeError: When the command is called: a value is wrong, under the name of its option.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        hints = get_type_hints(schema)
        added = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[hints[field.name], options[field.name]],
            )
            for field in fields(schema)
        ]
        own = inspect.signature(command, eval_str=True)
        kept = [given for given in own.parameters.values() if given.name != "settings"]

        def called(**values: Any) -> Any:
            chosen = {field.name: values.pop(field.name) for field in fields(schema)}
            try:
                settings = schema(**chosen)
            except ValueError as error:
                lines = [f"--{_dashed(line)}" for line in str(error).splitlines()]
                raise RecipeError("\n".join(lines)) from error
            return command(**values, settings=settings)

        parameters = [given.replace(kind=inspect.Parameter.KEYWORD_ONLY) for given in kept] + added
        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {given.name: given.annotation for given in parameters}
        return called

    return decorate


def _dashed(sentence: str) -> str:
    """A sentence that begins with the name of a field, with that of its option.

    >>> _dashed("batch_size - out of range - 0 - give_more")
    'batch-size - out of range - 0 - give_more'
    """
    name, dash, rest = sentence.partition(" - ")
    return f"{name.replace('_', '-')}{dash}{rest}"
