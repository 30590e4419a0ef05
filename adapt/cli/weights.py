"""Commands for files of weights: converted, checked, written in another format."""

from pathlib import Path
from typing import Annotated

import typer


def convert(
    source: Annotated[Path, typer.Argument(help="Weights as a pickle: .pt, .pth, .bin or .ckpt.")],
    target: Annotated[Path, typer.Argument(help="New .safetensors file.")],
    trust: Annotated[
        bool, typer.Option("--trust", help="You know where the file comes from.")
    ] = False,
) -> None:
    """Turn a pickle of weights into safetensors. Reads tensors only; runs nothing else."""
    from adapt.models.convert import convert_weights

    typer.echo(str(convert_weights(source, target, trust)))


def verify(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")],
) -> None:
    """Check a model folder. Compares its hashes and repeats its stored predictions."""
    from adapt.export.load import verify as verify_model

    differences = verify_model(model)
    typer.echo(
        f"all hashes match; probabilities of the stored images differ by at most "
        f"{differences.probabilities:.1e} (rounding explains {differences.allowed:.1e})"
    )


def export(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run.")],
    to: Annotated[str, typer.Option(help="Format; see `adapt list formats`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")],
) -> None:
    """Write a model in another format. Proves that it answers as the model does."""
    from adapt.export.base import format_of
    from adapt.export.write import export as export_model
    from adapt.models.classifier import Classifier

    format_of(to)
    classifier = Classifier.load(model)
    folder = export_model(classifier, out, to)
    for path in sorted(folder.iterdir()):
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
