"""The commands of the cache: what can always be made again."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from adapt.common.cache import cache_folder, cache_sizes, clear_cache, most_bytes
from adapt.common.words import size_text

commands = typer.Typer(
    help="Features, unpacked archives and measurements that are kept between runs.",
    no_args_is_help=True,
)


@commands.command()
def info() -> None:
    """Show what is kept, and how much."""
    table = Table(title=f"{cache_folder()}", caption=f"features: at most {size_text(most_bytes())}")
    for name in ("kind", "files", "size"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for kind, (files, size) in cache_sizes().items():
        table.add_row(kind, f"{files:,}", size_text(size))
    Console().print(table)


@commands.command()
def clear(
    kind: Annotated[
        str | None, typer.Argument(help="features, unpacked, check or errors; all without it.")
    ] = None,
) -> None:
    """Delete what is kept; nothing is lost but time."""
    typer.echo(f"{size_text(clear_cache(kind))} freed")


@commands.command()
def path() -> None:
    """Print the folder; ADAPT_CACHE chooses another."""
    typer.echo(str(cache_folder()))
