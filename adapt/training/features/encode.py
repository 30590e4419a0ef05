"""Pixels, features and logits of whole splits: computed once, kept by content."""

import contextlib
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapt.common.files import write_whole
from adapt.common.progress import track
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.sources.image_list import ImageList
from adapt.errors import RunError, WeightsError
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.models.weight_files import weights_hash
from adapt.training.runtime import inference_device, placed_on, short_sequence_attention
from adapt.training.settings import Runtime

IN_MEMORY_BYTES = 2 << 30


@dataclass
class Pixels:
    """The images of one split after resizing, before normalising: what every model sees of them.

    Decoding and resizing is the slow half of evaluation on a small model, and the same for every
    point of a weight-space curve, so it is done once. Values are uint8, shape (N, H, W, 3).
    """

    values: np.ndarray
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the pixels: changes with image bytes, preprocessing and shift alike."""
        digest = hashlib.sha256(str(self.values.shape).encode())
        for start in range(0, len(self), 256):
            digest.update(np.ascontiguousarray(self.values[start : start + 256]).data)
        return digest.hexdigest()

    def batch(self, start: int, size: int, device: torch.device) -> Tensor:
        """Normalised pixels (B, 3, H, W) of `size` images from `start` on."""
        block = torch.from_numpy(np.array(self.values[start : start + size])).to(device)
        return self.preprocessing.normalise_batch(block)


def prepare(
    images: ImageList, preprocessing: Preprocessing, runtime: Runtime | None = None
) -> Pixels:
    """Decode, shift and resize every image of a split, in threads.

    Above 2 GiB the pixels go to a temporary file that is deleted with the last reference.

    Raises:
        ImageError: When an image cannot be read; it is named.
    """
    size = preprocessing.size
    shape = (len(images), size, size, 3)
    values = _array(shape)
    workers = (runtime or Runtime()).workers
    threads = max(1, int(workers) if workers != "auto" else os.cpu_count() or 1)

    def fill(index: int) -> None:
        values[index] = np.asarray(preprocessing.resize(images.open(index)))

    with ThreadPoolExecutor(threads) as pool:
        for _ in track(pool.map(fill, range(len(images))), "preparing images", len(images)):
            pass
    return Pixels(values, preprocessing)


def _array(shape: tuple[int, ...]) -> np.ndarray:
    if int(np.prod(shape)) <= IN_MEMORY_BYTES:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # no name to clean up; the array keeps the file alive
        return np.memmap(file, np.uint8, "w+", shape=shape)


def image_features(
    backbone: Backbone, pixels: Pixels, runtime: Runtime, cache: Path | None = None
) -> Tensor:
    """Unit image features (N, D) in float32 on the CPU.

    Args:
        backbone: Whose image encoder is used.
        pixels: What it sees.
        runtime: Device and batch size; features are always computed in float32.
        cache: Folder of features kept by the hash of pixels and weights; none without it.
    """
    if cache is None:
        return _encoded(backbone, pixels, runtime)
    path = cache / f"{_feature_key(backbone, pixels)}.safetensors"
    return kept_features(path, lambda: _encoded(backbone, pixels, runtime))


def kept_features(path: Path, compute: Callable[[], Tensor]) -> Tensor:
    """Features from a file, or computed and kept there; the file is whole or absent.

    A file that cannot be read is made again. One that cannot be written is a warning: the features
    are the same without it.

    Args:
        path: Named after all that they depend on.
        compute: Called when there is no file.
    """
    if path.is_file():
        with contextlib.suppress(OSError, SafetensorError, KeyError):
            return load_file(path)["features"]
    features = compute()
    try:
        write_whole(path, lambda part: save_file({"features": features.contiguous()}, part))
    except (RunError, SafetensorError) as error:
        reason = error.__cause__ or error
        advice = "set ADAPT_CACHE to a folder that can be written"
        warnings.warn(f"{path.parent} - features are not kept - {reason} - {advice}", stacklevel=2)
    return features


def _encoded(backbone: Backbone, pixels: Pixels, runtime: Runtime) -> Tensor:
    device = inference_device(runtime)
    backbone.eval()
    parts = []
    # Not inference_mode around the move: weights made there could never train again.
    with placed_on(backbone, device), torch.inference_mode(), short_sequence_attention(device):
        for start in track(range(0, len(pixels), runtime.batch_size), "encoding batches"):
            parts.append(
                backbone.encode_image(pixels.batch(start, runtime.batch_size, device)).float().cpu()
            )
    return torch.cat(parts) if parts else torch.empty(0, backbone.width)


def _feature_key(backbone: Backbone, pixels: Pixels) -> str:
    weights = weights_hash(backbone.image_encoder.state_dict())
    preprocessing = str(sorted(pixels.preprocessing.to_dict().items()))
    activation = backbone.spec.config.get("quick_gelu", False)
    kind = (activation, backbone.features)
    together = f"{weights} {pixels.content_hash} {preprocessing} {kind}"
    return hashlib.sha256(together.encode()).hexdigest()


def head_logits(classifier: Classifier, features: Tensor) -> np.ndarray:
    """Logits (N, K) of unit features (N, D).

    Raises:
        WeightsError: When one is not a finite number: no score or choice can be made of it.
    """
    with torch.inference_mode():
        logits = classifier.head(features.to(classifier.device)).float().cpu()
    if broken := int((~torch.isfinite(logits).all(1)).sum()):
        raise WeightsError(
            f"logits - not numbers - {broken} of {len(logits)} images give NaN or infinite ones - "
            "train with a lower learning rate, or get the weights again"
        )
    return np.asarray(logits.numpy(), dtype=np.float32)


def predict_logits(classifier: Classifier, pixels: Pixels, runtime: Runtime) -> np.ndarray:
    """Logits (N, K) of a whole split, in float32."""
    classifier.eval()
    with placed_on(classifier, inference_device(runtime)):
        return head_logits(classifier, image_features(classifier.backbone, pixels, runtime))
