"""The command that embeds very many images."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adapt.cli.shared.options import with_settings
from adapt.errors import Interrupted
from adapt.scale.settings import EmbedSettings

Source = Annotated[
    str,
    typer.Argument(
        help="Folder, image, CSV or Parquet table with a column `path` or `image`, zip, tar, a "
        "pattern such as 'shards/{000..009}.tar', an address such as s3://bucket/photos of any of "
        "these, or - for a list of paths on standard input."
    ),
]
Model = Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the parts.")]
OPTIONS = {
    "part_rows": typer.Option(
        help="Images in a part; an archive or a table with images is a part of its own."
    ),
    "batch_size": typer.Option(help="Images computed at once."),
    "device": typer.Option(help="auto (a GPU where there is one), cpu, cuda or mps."),
    "precision": typer.Option(help="32, tf32 or bf16."),
    "engine": typer.Option(help="local, or ray: actors here, or on the cluster $RAY_ADDRESS."),
    "actors": typer.Option(
        help="Processes of ray; one for each GPU, or for each machine, if not given."
    ),
    "threads": typer.Option(
        help="Threads of each process; its share of the processors if not given."
    ),
    "remote": typer.Option(
        "--remote", help="Read addresses that a table or list on this machine names."
    ),
    "trust": typer.Option(
        "--trust", help="Open the format torch too: you know where it comes from."
    ),
}


@with_settings(EmbedSettings, OPTIONS)
def embed(
    source: Source,
    model: Model,
    output: Output,
    settings: EmbedSettings,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin again.")] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Compute parts with errors again.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the result.")] = False,
) -> None:
    """Embed images, in parts, here or on a cluster. The same command again goes on."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.scale.embed import embed_files

    try:
        with progress_shown(quiet):
            done = embed_files(source, model, output, settings, overwrite, retry)
    except KeyboardInterrupt as error:
        raise Interrupted("finished parts are kept", output) from error
    text = f"{done.said()}: {done.path}"
    Console().print(text, soft_wrap=True, markup=False, highlight=False)
