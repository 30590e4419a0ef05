"""Both encoders' last matrices, as CaRot holds them (arXiv:2311.01723)."""

from collections.abc import Collection

import torch
from torch import Tensor

from adapt.errors import ModelError
from adapt.models.adapters.projection import projection_of, text_projection_of
from adapt.models.classifier import Classifier
from adapt.training.penalties.base import Penalty, Step, penalty, precise


def orthogonality(matrix: Tensor) -> Tensor:
    """Frobenius norm of `W^T W - I`: 0 where the columns are orthogonal and of length 1.

    Args:
        matrix: W (P, D), from pooled features to the space shared with texts.

    >>> orthogonality(torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))  # 2^2 - 1
    tensor(3.)
    """
    gram = matrix.T @ matrix
    # A norm has a gradient of 0 where it is 0; a root would have none.
    norm: Tensor = torch.linalg.matrix_norm(gram - torch.eye(len(gram)).to(gram))
    return norm


def cross_norm(image: Tensor, text: Tensor) -> Tensor:
    """Frobenius norm of `W V^T`, which is small where both reach into few common directions.

    Args:
        image: W (P, D), from pooled image features to the shared space.
        text: V (Q, D), from pooled text features to the shared space.

    >>> cross_norm(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    tensor(3.)
    """
    norm: Tensor = torch.linalg.matrix_norm(image @ text.T)
    return norm


def live_projection(classifier: Classifier) -> Tensor:
    """The image encoder's projection (P, D), through which gradients flow, in float32 at least."""
    return precise(projection_of(classifier.backbone.image_encoder).live)


def _check(classifier: Classifier, setting: str) -> None:
    """Refuse an image encoder without a linear projection, or with one that does not train."""
    try:
        trains = projection_of(classifier.backbone.image_encoder).parameter.requires_grad
    except ModelError as error:
        raise ModelError(
            f"optim.{setting} - the image encoder does not end in a linear projection - "
            f"{classifier.backbone.spec.arch} - set it to 0"
        ) from error
    if not trains:
        raise ModelError(
            f"optim.{setting} - nothing to hold - the image encoder's projection is frozen - "
            "set it to 0"
        )


@penalty("orthogonality")
class Orthogonality(Penalty):
    """`orthogonality` of the image encoder's projection.

    Raises:
        ModelError: When there is no such projection, or it does not train.
    """

    def __init__(self, classifier: Classifier, frozen: Collection[str]) -> None:
        _check(classifier, "orthogonality")

    def __call__(self, step: Step) -> Tensor:
        """How far it is from orthogonal now."""
        matrix = live_projection(step.classifier)
        with torch.autocast(matrix.device.type, enabled=False):
            return orthogonality(matrix)


@penalty("cross_norm")
class CrossNorm(Penalty):
    """`cross_norm` of both projections; that of the texts gets gradients where it trains.

    Raises:
        ModelError: When an encoder has no such projection, or that of the images does not train.
    """

    def __init__(self, classifier: Classifier, frozen: Collection[str]) -> None:
        _check(classifier, "cross_norm")
        if text_projection_of(classifier.backbone.model) is None:
            raise ModelError(
                "optim.cross_norm - the text encoder does not end in a linear projection - "
                f"{classifier.backbone.spec.arch} - set it to 0"
            )

    def __call__(self, step: Step) -> Tensor:
        """The norm now."""
        image = live_projection(step.classifier)
        text = text_projection_of(step.classifier.backbone.model)
        assert text is not None  # checked before the first step
        with torch.autocast(image.device.type, enabled=False):
            return cross_norm(image, precise(text.live))
