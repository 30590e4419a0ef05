"""The command that turns a pickle of weights into safetensors."""

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
