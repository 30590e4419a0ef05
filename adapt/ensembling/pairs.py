"""The line between two models judged on pairs of images and captions, as one is on classes.

A batch of N pairs is a task with N classes in both directions: which caption belongs to an image,
and which image to a caption. So log-likelihood is the contrastive one, accuracy is recall at 1, and
every rule for alpha, the guard and the temperature mean what they mean elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from adapt.common.arrays import IntArray
from adapt.common.content import text_hash
from adapt.common.progress import track
from adapt.data.sources.captions.pairs import captions_of
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.line import Line
from adapt.evaluation.evaluate import sample_of
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.training.context import NOTHING_KEPT, KeepsFeatures, KeepsStages
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.features.store import FeatureStore
from adapt.training.runtime import EXACT, inference_device, inference_kernels, placed_on
from adapt.training.settings import Runtime

HELD_OUT_PAIRS = 1000
"""Most held-out pairs that alpha is chosen on: how likely a caption is depends on their number."""


@dataclass
class PairSplit:
    """Images with captions made ready to be scored by several models."""

    name: str
    images: ImageList
    pixels: Pixels
    captions: list[str]
    """Of all images, one after the other."""
    owner: IntArray
    """Position of the image of each caption, shape (M,)."""

    @classmethod
    def read(cls, name: str, images: ImageList, model: Classifier, runtime: Runtime) -> "PairSplit":
        """Take the captions; pixels are read when they are needed.

        Raises:
            DataError: When an image has no caption.
        """
        given = captions_of(images)
        owner = np.repeat(np.arange(len(given)), [len(own) for own in given])
        pixels = prepare(images, model.backbone.preprocessing, runtime, keep=True)
        return cls(name, images, pixels, [text for own in given for text in own], owner)

    def held_out(self) -> "PairSplit":
        """At most `HELD_OUT_PAIRS` images, each with its first caption."""
        rows = sample_of(self.pixels.keys, HELD_OUT_PAIRS)
        first = np.searchsorted(self.owner, rows)
        captions = [self.captions[place] for place in first]
        pixels = self.pixels.subset(rows.tolist())
        return PairSplit(
            self.name, self.images.subset(rows), pixels, captions, np.arange(len(rows))
        )


@dataclass(frozen=True)
class PairFeatures:
    """What a model makes of a split."""

    images: Tensor
    """Unit features (N, D)."""
    texts: Tensor
    """Unit features of the captions (M, D)."""
    scale: float
    """Factor of the cosines."""

    def both_ways(self) -> np.ndarray:
        """Logits (2 N, N) of N pairs: of the captions by image, then of the images by caption."""
        similarity = self.scale * self.images @ self.texts.T
        return np.asarray(torch.cat([similarity, similarity.T]).numpy(), np.float32)


class PairLine:
    """Features of pairs along a line; where only texts change, images are encoded once.

    Args:
        line: From the start to the tuned model.
        runtime: Device and batch size.
        store: Keeps the features of the start.
        stages: Keeps what took a pass over images.
    """

    def __init__(
        self,
        line: Line,
        runtime: Runtime,
        store: KeepsFeatures | None = None,
        stages: KeepsStages = NOTHING_KEPT,
    ) -> None:
        self.line, self._runtime = line, runtime
        self._store, self._stages = store or FeatureStore(), stages

    @cached_property
    def same_images(self) -> bool:
        """Whether both ends encode images alike."""
        ends = (m.backbone.image_encoder.state_dict() for m in (self.line.start, self.line.tuned))
        first, second = ends
        return all(torch.equal(value, second[name]) for name, value in first.items())

    @cached_property
    def _ends(self) -> list[str]:
        return [weights_hash(m.state_dict()) for m in (self.line.start, self.line.tuned)]

    def features(self, alpha: float, split: PairSplit) -> PairFeatures:
        """Of the model at `alpha`, from 0 (start) to 1 (tuned)."""
        pixels = split.pixels

        def about() -> list[object]:
            return [self._ends, alpha, text_hash(" ".join(pixels.keys)), split.captions]

        kept = self._stages.arrays(f"pairs-{alpha:g}", about, lambda: self._computed(alpha, split))
        images, texts = (torch.from_numpy(kept[name]) for name in ("images", "texts"))
        return PairFeatures(images, texts, float(kept["scale"][0]))

    def _computed(self, alpha: float, split: PairSplit) -> dict[str, np.ndarray]:
        start, runtime = self.line.start, self._runtime
        model = start if alpha == 0 else self.line.at(alpha)
        if alpha == 0 or self.same_images:
            images = self._store.features(start.backbone, split.pixels, runtime, EXACT)
        else:
            images = image_features(model.backbone, split.pixels, runtime)
        texts = text_features(model, split.captions, runtime)
        scale = model.backbone.scale.detach().float().reshape(-1)[:1].cpu()
        return {"images": images.numpy(), "texts": texts.numpy(), "scale": scale.numpy()}

    def judge(self, alphas: Sequence[float], split: PairSplit) -> HeldOut:
        """Outputs for held-out pairs at these points, as those of images of as many classes."""
        count = len(split.captions)
        held = HeldOut(np.tile(np.arange(count), 2), {})
        for alpha in track(alphas, "points on held-out pairs"):
            held.logits[alpha] = self.features(alpha, split).both_ways()
        return held


def text_features(model: Classifier, texts: list[str], runtime: Runtime) -> Tensor:
    """Unit text features (M, D) in float32 on the CPU.

    Args:
        model: Whose text encoder is used.
        texts: One or more.
        runtime: Device.
    """
    device = inference_device(runtime)
    with (
        placed_on(model, device),
        torch.inference_mode(),
        inference_kernels(device, EXACT),
    ):
        return model.eval().backbone.encode_text(texts).float().cpu()
