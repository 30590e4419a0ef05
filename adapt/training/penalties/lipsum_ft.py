"""Similarities to random texts, held near the start's (Lipsum-FT, arXiv:2404.00860)."""

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.errors import ModelError
from adapt.models.backbones import Backbone, tokenizer_of
from adapt.models.classifier import Classifier
from adapt.models.text_encoding import encode_tokens
from adapt.training.penalties.base import (
    FEATURES,
    Penalty,
    Step,
    check_beside_texts,
    cosines_of_both,
    penalty,
)

TEXTS, LENGTH = 80, 8
"""The authors' number of texts in a step, and of tokens in a text."""


def random_tokens(backbone: Backbone, generator: torch.Generator) -> Tensor:
    """Tokens (80, context length) of texts that say nothing: 8 random words or parts of words.

    Any token but those of begin and end is equally likely, as in the authors' code.

    Args:
        backbone: Its tokenizer says which tokens there are.
        generator: Where the random numbers come from.
    """
    read = tokenizer_of(backbone.spec)
    tokens = torch.zeros(TEXTS, read.context_length, dtype=torch.long)
    tokens[:, 0], tokens[:, LENGTH + 1] = read.sot_token_id, read.eot_token_id
    # Begin and end are the last two of CLIP's vocabulary.
    tokens[:, 1 : LENGTH + 1] = torch.randint(
        min(read.sot_token_id, read.eot_token_id), (TEXTS, LENGTH), generator=generator
    )
    return tokens


def energy_gap(logits: Tensor, start: Tensor) -> Tensor:
    """Half the squared difference of logits (B, M), averaged over images and texts.

    >>> energy_gap(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 0.0]]))  # 2^2 / (2 * 2)
    tensor(1.)
    """
    return (logits - start).square().mean() / 2


@penalty("lipsum_ft")
class EnergyGap(Penalty):
    """`energy_gap` on texts that are drawn anew in each step.

    The start's text encoder and logit scale are used for both, so that no gradient goes to the text
    encoder.

    Raises:
        ModelError: When the tokenizer is not CLIP's own, or its context too short.
    """

    watches = FEATURES

    def __init__(self, classifier: Classifier, frozen: Collection[str]) -> None:
        check_beside_texts(classifier, "lipsum_ft")
        spec = classifier.backbone.spec
        if spec.tokenizer is not None:
            raise ModelError(
                f"optim.lipsum_ft - draws tokens of CLIP's own tokenizer - {spec.arch} has another "
                "one - set it to 0, or take car_ft"
            )
        length = tokenizer_of(spec).context_length
        if length < LENGTH + 2:
            raise ModelError(
                f"optim.lipsum_ft - texts are too long for the text encoder - {LENGTH + 2} tokens, "
                f"{spec.arch} reads {length} - set it to 0"
            )

    @torch.no_grad()
    def _texts(self, backbone: Backbone, generator: torch.Generator) -> Tensor:
        device = backbone.model.logit_scale.device
        tokens = random_tokens(backbone, generator).to(device)
        with torch.autocast(device.type, enabled=False):
            return F.normalize(encode_tokens(backbone.model, tokens), dim=-1)

    def __call__(self, step: Step) -> Tensor:
        """The gap on this batch."""
        start = step.start
        assert start is not None  # since it watches
        texts = self._texts(start.backbone, step.generator)
        return energy_gap(*cosines_of_both(step, texts))
