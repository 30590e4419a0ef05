"""Contexts that an image is seen in, held near the start's (CAR-FT, arXiv:2211.16175)."""

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.data.labels.classes import default_words
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.models.templates import template_sets
from adapt.training.penalties.base import (
    FEATURES,
    Penalty,
    Step,
    check_beside_texts,
    cosines_of_both,
    penalty,
)
from adapt.training.penalties.self_distillation import distillation


@torch.no_grad()
def context_features(backbone: Backbone, templates: Sequence[str], words: Sequence[str]) -> Tensor:
    """Unit features (M, D) of M contexts: of each template, the mean over all classes.

    Args:
        backbone: Its text encoder reads the prompts, in float32.
        templates: One `{}` in each, such as `a sketch of a {}.`
        words: What each class is called.
    """
    texts = [template.replace("{}", name) for template in templates for name in words]
    with torch.autocast(backbone.model.logit_scale.device.type, enabled=False):
        features = backbone.encode_text(texts).unflatten(0, (len(templates), len(words)))
    return F.normalize(features.mean(1), dim=-1)


@penalty("car_ft")
class ContextDivergence(Penalty):
    """Divergence KL(start | now) of softmaxes over contexts, in the mean over images.

    A context is one of OpenAI's 80 templates for ImageNet; its logit is the scaled cosine of the
    image and of the text feature of that template, averaged over the classes. The start's text
    encoder and logit scale are used for both, so that no gradient goes to the text encoder. Before
    the first step every class is read in every template. The words of a class are its key with
    spaces: averaged over classes, they hardly matter.
    """

    watches = FEATURES

    def __init__(self, classifier: Classifier, frozen: Collection[str]) -> None:
        check_beside_texts(classifier, "car_ft")
        self.words = [default_words(key) for key in classifier.class_names]
        self.contexts: Tensor | None = None

    def __call__(self, step: Step) -> Tensor:
        """The divergence on this batch."""
        start = step.start
        assert start is not None  # since it watches
        if self.contexts is None:  # only now, where texts are read fastest
            self.contexts = context_features(start.backbone, template_sets()["openai"], self.words)
        now, before = cosines_of_both(step, self.contexts)
        return distillation([now], [before])

    def tensors(self) -> list[Tensor]:
        """The features of the contexts, once they are there."""
        return [] if self.contexts is None else [self.contexts]

    def to(self, device: torch.device) -> None:
        """Move the features of the contexts."""
        self.contexts = None if self.contexts is None else self.contexts.to(device)
