"""Commands for files of weights: a pickle becomes safetensors, a bundle is checked."""

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


def verify(model: Annotated[Path, typer.Argument(help="The `model` folder of a run.")]) -> None:
    """Check a model folder. Compares its hashes and repeats its stored predictions."""
    from adapt.models.classifier import verify_bundle

    differences = verify_bundle(model)
    typer.echo(
        f"all hashes match; probabilities of the stored images differ by at most "
        f"{differences.probabilities:.1e} (rounding explains {differences.allowed:.1e})"
    )
