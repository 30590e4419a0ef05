"""Weights from files: which kinds are read, and what is said of those that cannot be used."""

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import urlparse
from urllib.request import getproxies

import open_clip
import torch
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.factory import _find_checkpoint_in_dir
from open_clip.pretrained import download_pretrained_from_hf
from safetensors import SafetensorError, safe_open
from torch import Tensor

from adapt.errors import AdaptError, ModelError, WeightsError, one_line

CONFIG = "open_clip_config.json"
HUB_WEIGHTS = (HF_WEIGHTS_NAME, HF_SAFE_WEIGHTS_NAME)
SAFE = ".safetensors"
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
COMPILED = "_orig_mod."
Module = TypeVar("Module", bound=torch.nn.Module)
COPY = "copy the whole bundle again"


def check_weights_file(path: str | Path) -> None:
    """Refuse a file of weights that is not safetensors; a pickle can run code when it is read.

    Raises:
        ModelError: With the way to convert it.
    """
    suffix = Path(path).suffix.lower()
    if suffix == SAFE:
        return
    if suffix in PICKLES:
        raise ModelError(
            f"{path} - a pickle - reading it can run code - if you trust where it comes from, "
            f"convert it: adapt convert {path} {Path(path).with_suffix(SAFE)} --trust"
        )
    raise ModelError(
        f"{path} - not a file of weights - {suffix or 'no ending'} - give a {SAFE} file"
    )


def check_state(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], name: str) -> None:
    """Refuse a state dict that differs from what a model has in a name, a shape or a type.

    Args:
        given: The state dict; its values are not read.
        expected: That of the model.
        name: Of the model, for the message.

    Raises:
        ModelError: Naming the first tensor that differs, and how many do.
    """
    shapes = {key: _shape(value) for key, value in given.items()}
    wanted = {key: _shape(value) for key, value in expected.items()}
    wrong = sorted(key for key in shapes | wanted if shapes.get(key) != wanted.get(key))
    if wrong:
        here, there = shapes.get(wrong[0], "missing"), wanted.get(wrong[0], "none")
        more = f" ({len(wrong)} tensors differ)" if len(wrong) > 1 else ""
        raise ModelError(
            f"weights - do not fit {name} - {wrong[0]}: {here}, expected {there}{more} - {COPY}"
        )


def _shape(value: Tensor) -> str:
    kind = str(value.dtype).removeprefix("torch.")
    return f"{kind} {tuple(value.shape)}"


def check_finite(state: Mapping[str, Tensor], name: str) -> None:
    """Refuse weights of which one is not a finite number.

    Raises:
        WeightsError: Naming the first such tensor.
    """
    for key, value in state.items():
        if value.is_floating_point() and not _finite(value):
            count = int((~torch.isfinite(value)).sum())
            raise WeightsError(
                f"weights - not numbers - {name}: {key} has {count} values that are NaN or "
                "infinite - get the weights again, or train with a lower learning rate"
            )


def _finite(value: Tensor) -> bool:
    """By the extremes, into which NaN is carried: ten times as fast as to look at each number."""
    return not value.numel() or all(bool(torch.isfinite(end)) for end in torch.aminmax(value))


def plain_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the prefix that `torch.compile` puts into its names.

    >>> plain_names({"visual._orig_mod.proj": torch.zeros(1)})
    {'visual.proj': tensor([0.])}
    """
    return {key.replace(COMPILED, ""): value for key, value in state.items()}


def uncompiled(module: Module) -> Module:
    """A module in which every part under `torch.compile` is the part itself.

    >>> type(uncompiled(torch.compile(torch.nn.Identity()))).__name__
    'Identity'
    """
    own = getattr(module, "_orig_mod", None)
    if isinstance(own, torch.nn.Module):
        return cast(Module, uncompiled(own))
    for name, child in module.named_children():
        setattr(module, name, uncompiled(child))
    return module


@dataclass(frozen=True)
class WeightSource:
    """Where a model is read from on this machine."""

    folder: Path
    """The folder, which may not be there yet."""
    files: list[Path]
    """Config and weights as far as they are known, the weights last."""


def hub_source(repository: str, names: Sequence[str]) -> WeightSource:
    """What the cache of the Hugging Face hub holds of a repository.

    Args:
        repository: `org/name`.
        names: Files that may be there, the best last.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    places = [try_to_load_from_cache(repository, name) for name in names]
    folder = Path(constants.HF_HUB_CACHE, f"models--{repository.replace('/', '--')}")
    return WeightSource(folder, [Path(place) for place in places if isinstance(place, str)])


def source_of(identifier: str, weights: str | None) -> WeightSource:
    """Where open_clip reads a model from: places on this machine, which may hold nothing yet.

    Args:
        identifier: As open_clip takes it: an architecture, `hf-hub:...` or `local-dir:...`.
        weights: Its `pretrained`: a tag, a file or None.
    """
    if weights is not None and Path(weights).is_file():
        return WeightSource(Path(weights).parent, [Path(weights)])
    if identifier.startswith("local-dir:"):
        folder = Path(identifier.removeprefix("local-dir:"))
        checkpoint = _find_checkpoint_in_dir(folder)
        return WeightSource(folder, [folder / CONFIG, *([Path(checkpoint)] if checkpoint else [])])
    if identifier.startswith("hf-hub:"):
        return hub_source(identifier.removeprefix("hf-hub:"), (CONFIG, *HUB_WEIGHTS))
    known = open_clip.get_pretrained_cfg(identifier, weights or "")
    if hub := known.get("hf_hub"):
        repository, _, name = hub.rpartition("/")
        return hub_source(repository, (name,) if name else HUB_WEIGHTS)
    folder = Path("~/.cache/clip").expanduser()
    return WeightSource(folder, [folder / Path(known.get("url", "weights")).name])


def check_source(identifier: str, source: WeightSource) -> None:
    """Refuse a hub that cannot be reached, and pickles; see below."""
    check_reachable(source)
    check_no_pickle(identifier, source)


def check_reachable(source: WeightSource) -> None:
    """Say at once that the hub cannot be reached, in place of minutes of retries.

    Nothing is asked where weights are here, or where a proxy or another setting decides.

    Raises:
        ConnectionError: When the name of the hub leads nowhere.
    """
    from huggingface_hub import constants

    inside = source.folder.parent == Path(constants.HF_HUB_CACHE)
    here = any(path.is_file() and path.suffix != ".json" for path in source.files)
    if here or not inside or constants.HF_HUB_OFFLINE or getproxies():
        return
    host = urlparse(constants.ENDPOINT).hostname
    try:
        socket.getaddrinfo(host, 443)
    except OSError as error:
        raise ConnectionError(f"{host} cannot be reached ({error.strerror})") from error


def check_no_pickle(identifier: str, source: WeightSource) -> None:
    """Refuse pickles of folders and hub repositories; a tag's are read with `weights_only=True`.

    Args:
        identifier: See `source_of`.
        source: What `source_of` gave.

    Raises:
        ModelError: With the way to convert it.
    """
    if identifier.startswith("hf-hub:"):
        check_weights_file(download_pretrained_from_hf(identifier.removeprefix("hf-hub:")))
    elif identifier.startswith("local-dir:") and source.files[-1].name != CONFIG:
        check_weights_file(source.files[-1])


def unreadable(
    arch: str, pretrained: str, source: WeightSource, error: BaseException
) -> AdaptError:
    """What to say when a model could not be loaded: which file is broken, or what is not here.

    Args:
        arch: As it was asked for.
        pretrained: As it was asked for.
        source: Where it is read from.
        error: What went wrong.
    """
    if isinstance(error, AdaptError):
        return error
    here = [path for path in source.files if path.is_file()]
    broken = next((path for path in here if _damage(path)), None)
    if broken is None and here and here[-1].suffix != ".json":
        broken = here[-1]
    if broken is not None:
        damage = _damage(broken) or f"it does not fit {arch}: {one_line(error)}"
        return ModelError(
            f"{broken} - cannot be used - {damage} - get it again (delete it in {broken.parent}), "
            "or choose the architecture that it belongs to"
        )
    return ModelError(
        f"model - cannot be loaded - {arch} with {pretrained}: {one_line(error)} - its weights "
        f"are not in {source.folder}: check the name and the network, put them there, or take the "
        "model that ships (model.arch=adapt-icons-xs model.pretrained=embedded)"
    )


def _damage(path: Path) -> str:
    """What is wrong with the file itself; empty when it can be read."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == SAFE:
            with safe_open(path, "pt"):
                pass
        else:
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, ValueError, SafetensorError) as error:
        return f"damaged: {one_line(error)}"
    except Exception as error:  # a pickle has errors of every kind
        return f"damaged, or not only tensors: {one_line(error)}"
    return ""
