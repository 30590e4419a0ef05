"""Features that were computed once, by what they were made of: in memory, and in a folder."""

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from adapt.common.cache import keep_below, mark_used, most_bytes
from adapt.common.content import code_version, text_hash
from adapt.common.files import write_whole
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import RunError
from adapt.models.adapters.cut import Cut
from adapt.models.backbones import Backbone
from adapt.models.bundle.tensors import weights_hash
from adapt.training.context import Context, KeepsFeatures
from adapt.training.features.encode import encoded_batches
from adapt.training.features.pixels import BUDGET, Pixels
from adapt.training.runtime import EXACT
from adapt.training.settings import Runtime

SHARD_IMAGES = 2048
"""Images after which what is known is written: no more is lost when a run is killed."""
SHARD_BYTES = 1 << 26
"""Size after which it is written as well."""
SUFFIX = ".safetensors"
DECODERS = ("adapt.data.decoding", "adapt.data.shifts")
LIBRARIES = ("Pillow", "pillow-heif", "opencv-python-headless", "torchvision")


@cache
def decoder_version() -> str:
    """Changes whenever images may be decoded, resized or corrupted differently than before."""
    return code_version(DECODERS, LIBRARIES)


@dataclass
class KnownRows:
    """What is known of one encoder: in which part, and at which row of it, an image is."""

    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    parts: list[Tensor] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    """Names of the shards that were read or written."""

    def add(self, keys: Sequence[str], features: Tensor) -> None:
        """Remember features (N, ...) of images."""
        for row, key in enumerate(keys):
            self.places.setdefault(key, (len(self.parts), row))
        self.parts.append(features)

    def gather(self, keys: Sequence[str]) -> Tensor:
        """Features (N, ...) of images that are all known."""
        places = np.array([self.places[key] for key in keys])
        result = torch.empty(len(keys), *self.parts[0].shape[1:])
        for part in np.unique(places[:, 0]):
            mine = places[:, 0] == part
            result[torch.from_numpy(mine)] = self.parts[part][torch.from_numpy(places[mine, 1])]
        return result


class FeatureStore:
    """Unit image features by image, preprocessing, weights and precision.

    What is asked for twice is computed once. With a folder that holds beyond the run: features lie
    there in shards that are mapped into memory, each whole or absent, so that several runs and
    processes may use it at once; a run that was killed goes on after its last shard. A shard that
    cannot be read is made again, and one that cannot be written is a warning: features are the same
    without it.

    Args:
        folder: Where shards are kept; only memory without it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._spaces: dict[str, KnownRows] = {}
        self._hashes: weakref.WeakKeyDictionary[nn.Module, dict[Cut | None, tuple[Any, str]]] = (
            weakref.WeakKeyDictionary()
        )

    def features(
        self, backbone: Backbone, pixels: Pixels, runtime: Runtime, precision: str = EXACT
    ) -> Tensor:
        """Unit features (N, D) of images, in float32 on the CPU.

        Args:
            backbone: Whose image encoder is used.
            pixels: What it sees.
            runtime: Device and batch size.
            precision: See `adapt.training.runtime.inference_kernels`.
        """
        name = self.space(backbone, pixels.preprocessing, precision)
        if missing := self.missing(name, pixels.keys):
            part = pixels.subset(missing)
            self._add(part.keys, encoded_batches(backbone, part, runtime, precision), name)
        return self.known(name, pixels.keys) if len(pixels) else torch.empty(0, backbone.width)

    def activations(
        self, cut: Cut, backbone: Backbone, pixels: Pixels, runtime: Runtime, precision: str = EXACT
    ) -> Iterator[Tensor] | None:
        """Activations (B, T, W) of images where an encoder is cut, batch by batch and in order.

        They depend on the weights before the cut alone: models of one start that were changed
        behind it share them, also those of later runs. An image takes much more than a feature (150
        KB in ViT-B/32), so that no more are computed than memory for several passes has room for.

        Args:
            cut: Where.
            backbone: Whose image encoder is cut.
            pixels: What it sees.
            runtime: Device and batch size.
            precision: See `adapt.training.runtime.inference_kernels`.

        Returns:
            In float32 on the CPU; None where there is no room.
        """
        name = self.space(backbone, pixels.preprocessing, precision, cut)
        encoder = backbone.image_encoder
        if missing := self.missing(name, pixels.keys):
            size = 4 * len(missing) * cut.size(encoder)
            if size > most_bytes() or not BUDGET.reserve(self._spaces[name], size):
                return None
            part = pixels.subset(missing)
            batches = encoded_batches(
                backbone, part, runtime, precision, lambda batch: cut.before(encoder, batch)
            )
            self._add(part.keys, batches, name)
        keys, step = pixels.keys, runtime.images
        return (self.known(name, keys[at : at + step]) for at in range(0, len(keys), step))

    def missing(self, space: str, keys: Sequence[str]) -> list[int]:
        """Positions of the images whose features are not known, in memory or in the folder.

        Args:
            space: See `space`.
            keys: The content of each image; see `Pixels.keys`.
        """
        rows = self._spaces.setdefault(space, KnownRows())
        missing = [row for row, key in enumerate(keys) if key not in rows.places]
        if missing and self.folder is not None:
            _read_shards(self.folder / space, rows)
            missing = [row for row in missing if keys[row] not in rows.places]
        return missing

    def known(self, space: str, keys: Sequence[str]) -> Tensor:
        """Features (N, D) of one image or more, none of which is `missing`."""
        return self._spaces[space].gather(keys)

    def kept(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """A tensor by name: known, read from the folder, or computed and kept.

        Args:
            name: A hash of all that it depends on.
            compute: Called when it is not known.
        """
        space = self._spaces.setdefault(name, KnownRows())
        if not space.parts and self.folder is not None:
            _read_shards(self.folder / name, space)
        if not space.parts:
            space.parts.append(compute())
            self._write(name, space, space.parts[0], [])
        return space.parts[0]

    def _add(self, keys: list[str], batches: Iterator[Tensor], name: str) -> None:
        """Remember the features of images, and write them shard by shard."""
        space, done = self._spaces[name], 0
        parts: list[Tensor] = []
        for batch in batches:
            parts.append(batch)
            count = sum(map(len, parts))
            full = count >= SHARD_IMAGES or sum(part.nbytes for part in parts) >= SHARD_BYTES
            if full or done + count == len(keys):
                features, own = torch.cat(parts), keys[done : done + count]
                space.add(own, features)
                self._write(name, space, features, own)
                done, parts = done + count, []

    def _write(self, name: str, space: KnownRows, features: Tensor, keys: Sequence[str]) -> None:
        if self.folder is None:
            return
        shard = text_hash(" ".join([*keys, name]))
        path = self.folder / name / f"{shard}{SUFFIX}"
        space.files.add(path.name)
        named = torch.frombuffer(
            bytearray.fromhex("".join(keys)) or bytearray(1), dtype=torch.uint8
        )
        tensors = {"features": features.contiguous(), "keys": named}
        try:
            write_whole(path, lambda part: save_file(tensors, part))
            keep_below(self.folder, most_bytes())
        except (RunError, SafetensorError) as error:
            reason = error.__cause__ or error
            advice = "set ADAPT_CACHE to a folder that can be written"
            warnings.warn(
                f"{self.folder} - features are not kept - {reason} - {advice}", stacklevel=2
            )

    def space(
        self,
        backbone: Backbone,
        preprocessing: Preprocessing,
        precision: str = EXACT,
        cut: Cut | None = None,
    ) -> str:
        """A hash of all that features, or activations at a cut, depend on beside the images."""
        parts = (
            self._weights(backbone.image_encoder, cut),
            sorted(preprocessing.to_dict().items()),
            backbone.spec.config.get("quick_gelu", False),
            backbone.features,
            precision,
            decoder_version(),
        )
        return text_hash(str(parts if cut is None else (*parts, cut)))

    def _weights(self, encoder: nn.Module, cut: Cut | None) -> str:
        """SHA-256 of the weights, those before a cut if there is one; again once they change."""
        state = encoder.state_dict() if cut is None else cut.weights(encoder)
        if any(value.is_inference() for value in state.values()):  # they count no changes
            return weights_hash(state)
        version = [(value.data_ptr(), value._version) for value in state.values()]
        known = self._hashes.setdefault(encoder, {})
        if cut not in known or known[cut][0] != version:
            known[cut] = version, weights_hash(state)
        return known[cut][1]


def _read_shards(folder: Path, space: KnownRows) -> None:
    """Map every shard that is not known yet."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if path.name in space.files:
            continue
        with contextlib.suppress(OSError, SafetensorError, KeyError, ValueError):
            with safe_open(path, "pt") as shard:
                features, named = shard.get_tensor("features"), shard.get_tensor("keys")
            text = named.numpy().tobytes().hex()
            keys = [text[start : start + 64] for start in range(0, len(text) // 64 * 64, 64)]
            space.add(keys, features)
            space.files.add(path.name)
            mark_used(path)


def store_of(context: Context) -> KeepsFeatures:
    """The store of a context; without one a new store, which only this caller knows."""
    return FeatureStore() if context.store is None else context.store
