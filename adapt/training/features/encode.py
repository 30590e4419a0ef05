"""Features and logits of whole splits, computed while the images are decoded."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from adapt.common.progress import track
from adapt.errors import RunError, WeightsError, one_line, out_of_memory
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.training.features.pixels import Pixels
from adapt.training.processes.group import ProcessGroup, active
from adapt.training.runtime import EXACT, inference_device, inference_kernels, placed_on
from adapt.training.settings import Runtime


def image_features(
    backbone: Backbone, pixels: Pixels, runtime: Runtime, precision: str = EXACT
) -> Tensor:
    """Unit image features (N, D) in float32 on the CPU.

    Args:
        backbone: Whose image encoder is used.
        pixels: What it sees.
        runtime: Device and batch size.
        precision: See `adapt.training.runtime.inference_kernels`.
    """
    parts = list(encoded_batches(backbone, pixels, runtime, precision))
    return torch.cat(parts) if parts else torch.empty(0, backbone.width)


def encoded_batches(
    backbone: Backbone,
    pixels: Pixels,
    runtime: Runtime,
    precision: str = EXACT,
    encode: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Tensor]:
    """Unit features of the images, batch by batch and in order, in float32 on the CPU.

    Args:
        backbone: Whose image encoder is used.
        pixels: What it sees.
        runtime: Device and batch size.
        precision: See `adapt.training.runtime.inference_kernels`.
        encode: A part of the image encoder, to be used in its place.
    """
    total, group = -(-len(pixels) // runtime.images), active()
    if group is not None and encode is None and total > 1:
        given = backbone, pixels, runtime, precision
        with group.task(encode_share, given):
            own = encoded_share(group, *given)
            yield from _in_order(group, own, len(pixels), runtime.images)
        return
    yield from _encoded(backbone, pixels, runtime, precision, encode, total)


def _encoded(
    backbone: Backbone,
    pixels: Pixels,
    runtime: Runtime,
    precision: str,
    encode: Callable[[Tensor], Tensor] | None = None,
    total: int = 0,
) -> Iterator[Tensor]:
    """Features of the images by this process alone; see `encoded_batches` and `through`."""
    device = inference_device(runtime)
    backbone.eval()
    # Not inference_mode around the move: weights made there could never train again.
    with placed_on(backbone, device):
        batches = pixels.batches(runtime.images, device)
        yield from through(encode or backbone.encode_image, batches, device, precision, total)


def encoded_share(
    group: ProcessGroup, backbone: Backbone, pixels: Pixels, runtime: Runtime, precision: str
) -> Iterator[Tensor]:
    """Features of the batches of this process: every N-th of N processes.

    Args:
        group: All processes.
        backbone: Whose image encoder is used.
        pixels: What all of them see together.
        runtime: Device and batch size.
        precision: See `adapt.training.runtime.inference_kernels`.
    """
    place, size = group.member, runtime.images
    rows = [row for row in range(len(pixels)) if row // size % place.size == place.rank]
    return _encoded(backbone, pixels.subset(rows), runtime, precision)


def encode_share(backbone: Backbone, pixels: Pixels, runtime: Runtime, precision: str) -> None:
    """In the other processes: give their batches to the first; see `encoded_share`."""
    if (group := active()) is not None:
        group.give(encoded_share(group, backbone, pixels, runtime, precision))


def _in_order(
    group: ProcessGroup, own: Iterator[Tensor], images: int, size: int
) -> Iterator[Tensor]:
    """In the first process: its batches, and those of the others between them."""
    shape = torch.Size()
    for start in track(range(0, images, size), "encoding batches"):
        rank = start // size % group.member.size
        if rank == 0:
            features = next(own)
            shape = features.shape[1:]
        else:
            features = group.take(rank, (min(size, images - start), *shape))
        yield features


def through(
    encode: Callable[[Tensor], Tensor],
    batches: Iterable[Tensor],
    device: torch.device,
    precision: str,
    total: int = 0,
) -> Iterator[Tensor]:
    """What a model, or a part of it, makes of batches, in float32 on the CPU.

    Args:
        encode: The model, in evaluation mode and on the device.
        batches: Of what it takes, on the device.
        device: Where it computes.
        precision: See `adapt.training.runtime.inference_kernels`.
        total: Number of batches, for whoever watches; 0 where somebody else tells of them.

    Raises:
        RunError: When a batch does not fit into memory.
    """
    for batch in track(batches, "encoding batches", total) if total else batches:
        try:
            with torch.inference_mode(), inference_kernels(device, precision):
                result = encode(batch).float().cpu()
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise RunError(
                f"encoding images - out of memory - {len(batch)} at once: {one_line(error)} - set "
                f"runtime.batch_size={max(1, len(batch) // 4)}, or take a smaller model"
            ) from error
        yield result


def head_logits(head: nn.Module, features: Tensor) -> np.ndarray:
    """Logits (N, K) of unit features (N, D), in float32.

    Raises:
        WeightsError: When one is not a finite number: no score or choice can be made of it.
    """
    device = next(head.parameters()).device
    with torch.inference_mode():
        logits = head(features.to(device)).float().cpu()
    if broken := int((~torch.isfinite(logits).all(1)).sum()):
        raise WeightsError(
            f"logits - not numbers - {broken} of {len(logits)} images give NaN or infinite ones - "
            "train with a lower learning rate, or get the weights again"
        )
    return np.asarray(logits.numpy(), dtype=np.float32)


def predict_logits(
    classifier: Classifier, pixels: Pixels, runtime: Runtime, precision: str = EXACT
) -> np.ndarray:
    """Logits (N, K) of a whole split, as float32."""
    classifier.eval()
    with placed_on(classifier, inference_device(runtime)):
        features = image_features(classifier.backbone, pixels, runtime, precision)
        return head_logits(classifier.head, features)
