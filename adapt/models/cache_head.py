"""A head that looks at the support images themselves, beside a linear one (arXiv:2207.09519)."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.errors import ModelError
from adapt.models.heads import linear_head
from adapt.models.weight_files import check_finite, check_state

SHORTEST = 1e-12
"""Length below which `torch.nn.functional.normalize` does not divide."""


class CacheHead(nn.Module):
    """Logits of a linear head plus votes of stored support features.

    `features @ weight.T + bias + votes @ values`, where the vote of a stored key for a feature of
    cosine c is `exp(-beta * (1 - c))`. That is Tip-Adapter (arXiv:2207.09519); with
    `neighbours` only so many of the nearest keys vote, which is a weighted nearest-neighbour
    classifier. Whitened, both sides of a cosine are directions as seen from a mean, in a space
    where they spread alike: `normalize(matrix (f - mean))` of a feature f.

    Args:
        weight: Linear part (K, D), exp(logit scale) included.
        bias: Bias (K,) of the linear part.
        keys: Unit features (M, D) of the support images, whitened where there is a whitening.
        values: What each key votes for, and against where negative (M, K): of Tip-Adapter one-hot
            rows times their strength.
        beta: How fast a vote falls with distance; Tip-Adapter's beta.
        neighbours: Number of nearest keys that vote; 0 is all of them.
        whitening: Matrix (D, D) and mean (D,); None compares features as they are.
    """

    beta: Tensor
    neighbours: Tensor
    whitening: Tensor | None
    mean: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        keys: Tensor,
        values: Tensor,
        beta: float,
        neighbours: int = 0,
        whitening: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        self.keys, self.values = nn.Parameter(keys.clone()), nn.Parameter(values.clone())
        self.register_buffer("beta", torch.tensor(float(beta)))
        self.register_buffer("neighbours", torch.tensor(int(neighbours)))
        matrix, mean = (None, None) if whitening is None else whitening
        self.register_buffer("whitening", None if matrix is None else matrix.clone())
        self.register_buffer("mean", None if mean is None else mean.clone())

    @property
    def out_features(self) -> int:
        """Number of classes K."""
        return len(self.weight)

    def votes(self, features: Tensor) -> Tensor:
        """The vote (B, M) of every key, zero for those that are not near enough."""
        if self.whitening is not None and self.mean is not None:
            features = F.normalize((features - self.mean) @ self.whitening.T, dim=1)
        cosine = features @ self.keys.T
        votes = torch.exp(-self.beta * (1 - cosine))
        count = int(self.neighbours)
        if not 0 < count < len(self.keys):
            return votes
        nearest = cosine.topk(count, dim=1).indices
        return torch.zeros_like(votes).scatter(1, nearest, votes.gather(1, nearest))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, K) of unit features (B, D)."""
        return features @ self.weight.T + self.bias + self.votes(features) @ self.values

    def towards(self, weight: Tensor, bias: Tensor, alpha: float) -> "CacheHead":
        """The head whose logits are `(1 - alpha)` of a linear head's and `alpha` of these.

        Args:
            weight: Weight (K, D) of the linear head at alpha 0.
            bias: Its bias (K,).
            alpha: 0 to 1.
        """
        return self.beside(
            torch.lerp(weight, self.weight.detach(), alpha),
            torch.lerp(bias, self.bias.detach(), alpha),
            alpha,
        )

    def beside(self, weight: Tensor, bias: Tensor, strength: float) -> "CacheHead":
        """The same cache beside another linear part, its votes multiplied.

        Args:
            weight: Of the new linear part (K, D).
            bias: Its bias (K,).
            strength: What the votes are multiplied by.
        """
        return CacheHead(
            weight,
            bias,
            self.keys.detach(),
            strength * self.values.detach(),
            float(self.beta),
            int(self.neighbours),
            whitening_of(self.state_dict()),
        )


def whitening_of(state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    """Matrix and mean of a cache's state dict; None where it has none."""
    return (state["whitening"], state["mean"]) if "whitening" in state else None


def head_from_state(state: Mapping[str, Tensor], classes: int, width: int) -> nn.Linear | CacheHead:
    """The head of a state dict, checked tensor by tensor.

    Args:
        state: Of a linear layer, or of a `CacheHead`.
        classes: K.
        width: D, length of the features.

    Raises:
        ModelError: When a name, a shape or a type is not that of a head.
        WeightsError: When a number is not finite.
    """
    votes = state["keys"].shape[0] if "keys" in state and state["keys"].ndim == 2 else None
    with torch.device("meta"):
        weight, bias = torch.empty(classes, width), torch.empty(classes)
        empty: nn.Linear | CacheHead = linear_head(weight, bias)
        if votes is not None:
            keys, values = torch.empty(votes, width), torch.empty(votes, classes)
            space = (
                (torch.empty(width, width), torch.empty(width)) if "whitening" in state else None
            )
            empty = CacheHead(weight, bias, keys, values, 1.0, 0, space)
    check_state(state, empty.state_dict(), "the head")
    check_finite(state, "the head")
    if votes is None:
        return linear_head(state["weight"], state["bias"])
    if float(state["beta"]) < 0 or int(state["neighbours"]) < 0:
        given = f"{float(state['beta'])}, {int(state['neighbours'])}"
        raise ModelError(f"the head - beta or neighbours below 0 - {given} - give 0 or more")
    return CacheHead(
        state["weight"],
        state["bias"],
        state["keys"],
        state["values"],
        float(state["beta"]),
        int(state["neighbours"]),
        whitening_of(state),
    )


def reach(head: nn.Linear | CacheHead) -> float:
    """How far a logit can move when a unit feature moves by 1.

    >>> reach(linear_head(torch.tensor([[3.0, 4.0], [0.0, 1.0]])))
    5.0
    """
    linear = float(head.weight.detach().norm(dim=1).max())
    if isinstance(head, nn.Linear):
        return linear
    # A vote exp(-beta (1 - cosine)) moves by at most beta, as no cosine is above 1; for or against.
    votes = float(head.beta * head.values.detach().abs().sum(0).max())
    return linear + votes * _stretch(head)


def _stretch(head: CacheHead) -> float:
    """How far a whitened direction can move when a unit feature moves by 1.

    `u / |u|` moves by at most 1 over the length of u, and `matrix (f - mean)` is at least as long
    as the smallest singular value times how far the unit sphere is from the mean inside it.
    """
    if head.whitening is None or head.mean is None:
        return 1.0
    singular = torch.linalg.svdvals(head.whitening.double())
    away = 1 - float(head.mean.double().norm())
    return float(singular[0]) / max(float(singular[-1]) * away, SHORTEST)
