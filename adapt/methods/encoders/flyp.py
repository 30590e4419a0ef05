"""FLYP: fine-tune both encoders with the loss of pretraining (arXiv:2212.00638)."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import nn

from adapt.common.ranges import Ranges, one_of
from adapt.common.words import refuse
from adapt.data.image_data import ImageData
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, ModelError
from adapt.methods.base import register
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.objectives import SAME_CLASS, Contrastive
from adapt.training.parameters import MODEL, trainable_copy
from adapt.training.settings import Optim

CAPTIONS = ("prompts", "column")
COLUMN = "caption"
UNFIT = {"label_smoothing": 0, "mixup": 0, "cutmix": 0, "class_weights": "none", "groups": ""}
"""Settings that only a cross-entropy over classes has, and what turns them off."""


@register("flyp")
@dataclass
class Flyp:
    """Train both encoders to match each image with its caption among those of the batch.

    The logit scale trains too, within [0, ln 100]. The head is made anew from the tuned text
    encoder. Each device contrasts its own share of a batch; with `optim.accumulate` loss and
    gradients stay those of the whole batch, and only its activations are computed in parts.

    The paper takes AdamW at 1e-5, weight decay 0.1, batch 512, 10 epochs on ImageNet; 20 epochs and
    batches of twice the shots on few images. In a small batch of few classes most pairs share their
    class, so by default those are not pushed apart, as they are in the authors' code.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(captions=one_of(CAPTIONS), same_class=one_of(SAME_CLASS))

    captions: str = "prompts"
    """The caption of an image: a random one of the `prompts` of its class, or the text in the
    `column` named `caption` of the data."""
    same_class: str = "mask"
    """Captions of other images of the same class are left out (`mask`), wanted (`positive`) or
    pushed away (`negative`, the authors' code)."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=1e-5, epochs=20, batch_size=64, weight_decay=0.1)
    )
    """Optimiser settings; what changes or weighs class labels does not go with this loss."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
        check_contrast(self.optim)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which both encoders and the logit scale train.

        Raises:
            ModelError: See `check_parts`.
        """
        check_parts(start, self.optim)
        copy = trainable_copy(
            start, lambda name: name.startswith(MODEL) and name != f"{MODEL}logit_bias"
        )
        copy.head_from_text = True
        return copy

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fine-tune a copy of the start.

        Raises:
            DataError: When captions are to come from a column that is missing or has empty cells.
            ModelError: See `prepare`.
        """
        captions = read_captions(data.train) if self.captions == "column" else None
        objective = Contrastive(captions, self.same_class, self.optim.accumulate)
        return train(self.prepare(start), data, self.optim, context or Context(), objective)


def check_contrast(optim: Optim) -> None:
    """Refuse what does not go with a loss over pairs.

    Raises:
        ValueError: When a batch holds one pair, or a setting is for classes.
    """
    if optim.batch_size < 2:
        raise ValueError(
            f"optim.batch_size - too small - {optim.batch_size} - give two pairs or more to "
            "contrast"
        )
    advice = "remove it: pairs are contrasted, classes are not told apart"
    refuse(
        [
            f"optim.{name} - has no effect here - {getattr(optim, name)} - {advice}"
            for name, off in UNFIT.items()
            if getattr(optim, name) != off
        ]
    )


def check_parts(start: Classifier, optim: Optim) -> None:
    """Refuse a batch in parts that would not be what the whole is.

    Raises:
        ModelError: With batch norms, which would see each part for itself.
    """
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    if optim.accumulate > 1 and any(isinstance(m, norms) for m in start.backbone.model.modules()):
        raise ModelError(
            f"optim.accumulate - not exact with batch norms - {optim.accumulate} - they would see "
            "each part for itself: set it to 1 and lower batch_size"
        )


def read_captions(images: ImageList) -> list[str]:
    """The caption of each image, from the column `caption`.

    Raises:
        DataError: When there is no such column, or a cell of it is empty.
    """
    captions = images.columns.get(COLUMN)
    if captions is None:
        columns = ", ".join(images.columns) or "none"
        raise DataError(
            f"{images.root} - no captions - further columns: {columns} - give the training data as "
            f"a table with a column `{COLUMN}`, or set method.captions=prompts"
        )
    for index, caption in enumerate(captions):
        if not caption.strip():
            raise DataError(
                f"{images.paths[index]} - empty caption - {caption!r} - fill in the column "
                f"`{COLUMN}`, or set method.captions=prompts"
            )
    return captions
