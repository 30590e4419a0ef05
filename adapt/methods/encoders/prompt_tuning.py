"""Prompt tuning: learn the words around the class name (CoOp, arXiv:2109.01134)."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from adapt.common.ranges import Ranges, within
from adapt.data.image_data import ImageData
from adapt.data.labels.classes import ClassName, default_words
from adapt.methods.base import register
from adapt.models.adapters.prompt_learner import PromptLearner, embed_words, random_context
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.templates import class_prompts
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.settings import Optim


@register("prompt_tuning")
@dataclass
class PromptTuning:
    """Train context vectors before the class name; both encoders stay as they are.

    The prompt of a class is the vectors, then its words. A class that has prompts of its own keeps
    all of them, with the vectors before each or, where they begin with the words of `context`, in
    place of those. The result is a plain learned head: what the text encoder says of the tuned
    prompts.

    The text encoder runs forward and backward over the prompts of all classes in every step,
    however small the batch. The paper trains with SGD at 0.002, batch 32, weight decay 5e-4,
    warm-up and cosine, for 50 (one shot) to 200 epochs (16 shots), from 16 random vectors. Here
    AdamW keeps these numbers with the shortest schedule, as each of its steps goes further, and the
    vectors start from words. Training then starts from the zero-shot head of that one prompt,
    without the full stop of CoOp's; templates of the start play no part.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(context_length=within(0, 1000, "(0 with words in context)"))

    context: str = "a photo of a"
    """Words to start the vectors from, one for each token; empty starts from random numbers."""
    context_length: int = 0
    """Number of random vectors, when `context` is empty (the paper's default is 16)."""
    class_specific: bool = False
    """Learn a context for each class instead of one for all; needs more images per class."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=2e-3, epochs=50, batch_size=32, weight_decay=5e-4)
    )
    """Optimiser settings."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
        if bool(self.context.strip()) == bool(self.context_length):
            raise ValueError(
                "context_length - does not go with context - "
                f"{self.context_length} and {self.context!r} - give either words in context or, "
                "with an empty context, the number of random vectors"
            )

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start whose head is prompts of the class keys; their context trains.

        Raises:
            ModelError: When the text encoder cannot be fed embeddings, or a class name is too long.
        """
        names = [ClassName(key, default_words(key)) for key in start.class_names]
        return self._with_prompts(start, names, 0)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Tune the prompts on a copy of the start and make a plain head of them.

        Raises:
            ModelError: When the text encoder cannot be fed embeddings, or a class name is too long.
        """
        context = context or Context()
        known = data.train.classes
        names = [known.get(key, ClassName(key, default_words(key))) for key in start.class_names]
        tuned = self._with_prompts(start, names, context.seed)
        return train(tuned, data, self.optim, context, finish=_with_plain_head)

    def _with_prompts(self, start: Classifier, classes: list[ClassName], seed: int) -> Classifier:
        tuned, known = start.clone().requires_grad_(False), f"{self.context.strip()} "
        prompts = class_prompts(classes, ["{}"])
        names = [[prompt.removeprefix(known) for prompt in own] for own in prompts]
        if self.context.strip():
            first = embed_words(tuned.backbone, self.context)
        else:
            first = random_context(tuned.backbone, self.context_length, seed)
        if self.class_specific:
            first = first.expand(len(names), -1, -1)
        tuned.head = PromptLearner(tuned.backbone, names, first)  # type: ignore[assignment]
        tuned.head_from_text = False
        return tuned


def _with_plain_head(tuned: Classifier) -> Classifier:
    """A copy whose head is what the text encoder says of the tuned prompts."""
    prompts: PromptLearner = tuned.head  # type: ignore[assignment]
    with torch.no_grad():
        return tuned.with_learned_head(linear_head(prompts.weights()))
