"""Commands for shipped models: converted, checked, in another format, to the hub and back."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.common.words import size_text
from adapt.errors import RecipeError

if TYPE_CHECKING:
    from adapt.data.sources.image_list import ImageList
    from adapt.export.delta import WrittenBundle
    from adapt.models.bundle.probe import Differences

COMPARED = "answers were compared with those of the model"

Base = Annotated[
    Path | None,
    typer.Option(help="File or folder of the pretrained weights, where they are not found."),
]


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


Trust = Annotated[
    bool, typer.Option("--trust", help="Open the format torch too: you know where it comes from.")
]


def verify(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run, or an export of it.")],
    key: Annotated[
        Path | None, typer.Option(help="Public key, PEM: the model must be signed with it.")
    ] = None,
    base: Base = None,
    trust: Trust = False,
) -> None:
    """Check a model folder. Compares its hashes and repeats its stored predictions."""
    from adapt.export.load import verify as verify_model

    if key is not None:
        from adapt.export.signature import check_signature

        check_signature(model, key)
        typer.echo(f"signed with the key of {key}")
    typer.echo(f"all hashes match; {_apart(verify_model(model, base, trust))}")


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
    int8: Annotated[
        bool, typer.Option("--int8", help="In eight bits, if that costs at most 1 point on --val.")
    ] = False,
    val: Annotated[
        str | None, typer.Option(help="Labelled images the model was not trained on, for --int8.")
    ] = None,
) -> None:
    """Write a model in another format. Proves that it answers as the model does."""
    from adapt.common.progress import lines_unless
    from adapt.export.base import format_of
    from adapt.export.parity import exported_differences
    from adapt.export.write import export as export_model
    from adapt.models.bundle.manifest import CARD
    from adapt.models.classifier import Classifier

    if int8 != (val is not None):
        raise RecipeError(
            f"{'--int8' if int8 else '--val'} - not enough - eight bits are measured on held-out "
            "images - give both --int8 and --val"
        )
    format_of(to)
    images = None if val is None else _held_out(val, model)
    classifier = Classifier.load(model)
    card = model / CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else None
    with lines_unless(False):
        folder = export_model(classifier, out, to, int8=images, card=text)
    typer.echo(_lost(folder) if int8 else f"{COMPARED}: {_apart(exported_differences(folder))}")
    _echo_sizes(folder)


def delta(
    model: Annotated[Path, typer.Argument(help="The `model` folder of a run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")],
    base: Base = None,
) -> None:
    """Write the change of a model alone. Megabytes, for where the pretrained weights are."""
    from adapt.export.delta import write_delta

    _echo_written(write_delta(model, out, base))


def restore(
    model: Annotated[Path, typer.Argument(help="A folder that `adapt delta` wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")],
    base: Base = None,
) -> None:
    """Write the whole model again from `adapt delta`. Its weights are the same bits."""
    from adapt.export.delta import restore as restore_model

    _echo_written(restore_model(model, out, base))


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
    from adapt.export.registries.folders import GB
    from adapt.export.registries.hub import pull as pull_model

    _bars_on_terminals_only()
    pulled = pull_model(source, out, base, int(max_gb * GB))
    typer.echo(f"{len(pulled.files)} files, verified: {pulled.folder}")
    if pulled.left:
        names = first_few(map(printable, pulled.left))
        typer.echo(f"not part of the model, not downloaded: {names}")


def _lost(folder: Path) -> str:
    """What eight bits cost, in words."""
    own = json.loads((folder / "parity.json").read_text(encoding="utf-8"))["val"]
    several = "mAP_int8" in own
    name = "mAP" if several else "accuracy"
    before, after = (100 * own[f"{name}_{bits}"] for bits in ("float32", "int8"))
    told = f"{after:.1f} % of {own['images']} images are right"
    if several:
        told = f"mAP is {after:.1f} % on {own['images']} images"
    label = "labels" if several else "label"
    return (
        f"in eight bits {told}, in float32 {before:.1f} %; {100 * own['same_label']:.1f} % get the "
        f"same {label}"
    )


def _held_out(data: str, model: Path) -> "ImageList":
    """Val images where there are several sets, without those that the model was trained on.

    Test images stay out of every choice.
    """
    from adapt.checks.sources import read_sets
    from adapt.common.content import content_hashes
    from adapt.comparison.sides import seen_by

    sets = read_sets(data).images
    if len(sets) > 1 and "val" not in sets:
        raise RecipeError(
            f"--val - no val images - {data} has {', '.join(sets)} - give the images of one of them"
        )
    images = sets["val"] if "val" in sets else next(iter(sets.values()))
    trained = seen_by(model, ("train",))
    held_out = [n for n, own in enumerate(content_hashes(images.paths)) if own not in trained]
    if not held_out:
        raise RecipeError(
            f"--val - no held-out images - the model was trained on all {len(images)} of {data} - "
            "give others"
        )
    if len(held_out) < len(images):
        typer.echo(
            f"{len(images) - len(held_out)} of {len(images)} images were trained on: left out"
        )
    return images.subset(held_out)


def _apart(differences: "Differences") -> str:
    """How far two answers lie apart, in words."""
    return (
        f"probabilities of the stored images differ by at most {differences.probabilities:.1e} "
        f"(rounding explains {differences.allowed:.1e})"
    )


def _echo_written(written: "WrittenBundle") -> None:
    typer.echo(f"{COMPARED}: {_apart(written.differences)}")
    _echo_sizes(written.folder)


def _echo_sizes(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        typer.echo(f"{path}  {size_text(path.stat().st_size)}")


def _bars_on_terminals_only() -> None:
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
