"""`adapt predict`: images of any source in, one row for each out."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adapt.cli.shared.options import Overwrite, with_settings
from adapt.errors import Interrupted
from adapt.predictions.settings import PredictionSettings

Model = Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")]
Source = Annotated[
    str,
    typer.Argument(
        help="Folder, image, CSV or Parquet table with a column `path`, zip, tar, a pattern such "
        "as 'shards/{000..009}.tar' or 'shards/*.tar', or - for a list of paths on standard input."
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Table to write: .csv, .parquet or .jsonl; with --rows-per-part a folder of tables.",
    ),
]
OPTIONS = {
    "format": typer.Option(help="csv, parquet or jsonl, where the output has no such suffix."),
    "rows_per_part": typer.Option(
        help="Write a folder of tables of so many rows, which --resume goes on with."
    ),
    "batch_size": typer.Option(help="Images computed at once."),
    "top": typer.Option(help="Classes listed for each image."),
    "threshold": typer.Option(
        help="Confidence below which an image is `abstained`, in place of the stored one."
    ),
    "features": typer.Option(
        help="Write image features beside each table, row for row: npy or parquet."
    ),
    "device": typer.Option(help="auto (a GPU where there is one), cpu, cuda or mps."),
    "precision": typer.Option(help="32, tf32 or bf16."),
    "null": typer.Option("-0", "--null", help="The list on standard input ends paths with NUL."),
    "transductive": typer.Option(
        help="mix: correct probabilities by the mix of classes that the whole set suggests; "
        "transclip: let images that look alike agree."
    ),
    "trust": typer.Option(help="Open the format torch too: you know where it comes from."),
}


@with_settings(PredictionSettings, OPTIONS)
def predict(
    model: Model,
    source: Source,
    output: Output,
    settings: PredictionSettings,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the finished tables in the output folder.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the result.")] = False,
) -> None:
    """Predict images and write a table. Each row has label, confidence, top classes and error."""
    from adapt.models.building.light import import_open_clip

    import_open_clip()
    from adapt.cli.shared.progress import progress_shown
    from adapt.predictions.run import predict_files

    try:
        with progress_shown(quiet):
            written = predict_files(model, source, output, settings, resume, overwrite)
    except KeyboardInterrupt as error:
        if settings.rows_per_part is None:
            raise
        raise Interrupted("finished tables are kept", output) from error
    text = f"{written.said()}: {written.path}"
    Console().print(text, soft_wrap=True, markup=False, highlight=False)
