"""A linear probe with the class texts as further samples: cross-modal (arXiv:2301.06267)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapt.common.ranges import Ranges, above, at_least
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.fitting import (
    Step,
    classes_with_support,
    cross_entropy_slope,
    fit_rows,
    warm_cosine,
)
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head

WARMUP = 50
"""Steps of the linear warm-up."""


@register("cross_modal")
@dataclass
class CrossModal(HeadMethod):
    """Cross-entropy of a linear head on images and on unit text directions, half a batch of each.

    The head has no bias and begins at the text; logits are `exp(logit scale) * f . w_k`. The
    authors choose rate, decay, batch size and step on a validation set; here they are values from
    their grid, and the last step is kept. A class without support images keeps its text direction
    and competes with the others, and its text is a sample too. The encoders stay as they are.
    """

    ranges = Ranges(
        lr=above(),
        weight_decay=at_least(0),
        batch_size=at_least(2, "an image and a text"),
        steps=at_least(0, "zero-shot"),
    )
    fits_bias = False

    lr: float = 1e-4
    """Highest learning rate of AdamW: a linear warm-up of 50 steps, then a cosine."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    batch_size: int = 32
    """Samples of a batch, half of them texts."""
    steps: int = 800
    """Number of batches; 0 is zero-shot. The authors train up to 12,800 and keep the best on val;
    of 800 and 3200 the first was better on held-out images of real features."""
    views: int = 1
    """Augmented views of each image, each a sample of its own; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """Rows w_k times exp(logit scale); the bias is zero."""
        images, targets = support.all_views
        scale = support.scale
        samples = scale * torch.cat([images, support.text])
        labels = torch.cat([targets, torch.arange(support.classes)])

        def slope(weight: Tensor, batch: Tensor) -> Tensor:
            own = samples.index_select(0, batch)
            return cross_entropy_slope(own @ weight.T, labels[batch]).T @ own

        weight = fit_rows(
            support.text,
            classes_with_support(support.targets),
            slope,
            lambda tensors: torch.optim.AdamW(
                tensors, lr=self.lr, weight_decay=self.weight_decay, fused=True
            ),
            self.batches(len(images), support.classes, support.seed),
        )
        return linear_head(scale * weight)

    def batches(self, images: int, texts: int, seed: int) -> Iterator[Step]:
        """Learning rate and positions of each step; texts are numbered after images.

        Args:
            images: Number of image samples.
            texts: Number of texts.
            seed: Of both orders, each of which begins anew when its samples are used up.
        """
        random = torch.Generator().manual_seed(seed)
        half = self.batch_size // 2
        image_stream = endless(images, self.batch_size - half, random)
        text_stream = endless(texts, half, random)
        for step in range(self.steps):
            rate = warm_cosine(self.lr, step, self.steps, WARMUP)
            yield rate, torch.cat([next(image_stream), images + next(text_stream)])


def endless(samples: int, size: int, random: torch.Generator) -> Iterator[Tensor]:
    """Batches of shuffled positions for ever, a new order each time, its remainder left out.

    Args:
        samples: Number of positions.
        size: Positions in a batch; fewer when there are not so many.
        random: Draws the orders.
    """
    size = min(size, samples)
    while True:
        order = torch.randperm(samples, generator=random)
        yield from order[: samples // size * size].split(size)
