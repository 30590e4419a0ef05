"""Commands for shipped models: converted, checked, in another format, to the hub and back."""

import sys
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
    key: Annotated[
        Path | None, typer.Option(help="Public key, PEM: the model must be signed with it.")
    ] = None,
) -> None:
    """Check a model folder. Compares its hashes and repeats its stored predictions."""
    from adapt.export.load import verify as verify_model

    if key is not None:
        from adapt.export.signature import check_signature

        check_signature(model, key)
        typer.echo(f"signed with the key of {key}")
    differences = verify_model(model)
    typer.echo(
        f"all hashes match; probabilities of the stored images differ by at most "
        f"{differences.probabilities:.1e} (rounding explains {differences.allowed:.1e})"
    )


def sign(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")],
    key: Annotated[Path, typer.Option(help="Ed25519 private key, PEM without a password.")],
) -> None:
    """Sign a model folder. Who has the public key can check that it came from you."""
    from adapt.export.signature import sign as sign_model

    typer.echo(str(sign_model(model, key)))


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
    _echo_sizes(export_model(classifier, out, to))


Base = Annotated[
    Path | None,
    typer.Option(help="File or folder of the pretrained weights, where they are not found."),
]


def delta(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")],
    base: Base = None,
) -> None:
    """Write the change of a model alone. Megabytes, for where the pretrained weights are."""
    from adapt.export.delta import write_delta

    _echo_sizes(write_delta(model, out, base))


def restore(
    model: Annotated[Path, typer.Argument(help="A folder that `adapt delta` wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")],
    base: Base = None,
) -> None:
    """Write the whole model again from `adapt delta`. Its weights are the same bits."""
    from adapt.export.delta import restore as restore_model

    _echo_sizes(restore_model(model, out, base))


def push(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")],
    repository: Annotated[str, typer.Argument(help="Repository on the hub: owner/name.")],
    public: Annotated[
        bool, typer.Option("--public", help="Everybody may read it; otherwise nobody but you.")
    ] = False,
    base: Base = None,
) -> None:
    """Verify a model and write it to the Hugging Face hub. Needs HF_TOKEN or `hf auth login`."""
    from adapt.export.registries.hub import push as push_model

    _bars_on_terminals_only()
    pushed = push_model(model, repository, public, base)
    typer.echo(f"{len(pushed.files)} files: {pushed.url}")
    typer.echo(f"to pull  adapt pull {pushed.repository}@{pushed.commit} -o model")


def pull(
    source: Annotated[str, typer.Argument(help="Repository and commit: owner/name@COMMIT.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")],
    base: Base = None,
    max_gb: Annotated[float, typer.Option(help="Most that is downloaded, in 10^9 bytes.")] = 20,
) -> None:
    """Read a model from one commit on the Hugging Face hub, and verify it. Runs nothing of it."""
    from adapt.common.words import first_few, printable
    from adapt.export.registries.hub import GB
    from adapt.export.registries.hub import pull as pull_model

    _bars_on_terminals_only()
    pulled = pull_model(source, out, base, int(max_gb * GB))
    typer.echo(f"{len(pulled.files)} files, verified: {pulled.folder}")
    if pulled.left:
        names = first_few(map(printable, pulled.left))
        typer.echo(f"not part of the model, not downloaded: {names}")


def _echo_sizes(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        typer.echo(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


def _bars_on_terminals_only() -> None:
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
