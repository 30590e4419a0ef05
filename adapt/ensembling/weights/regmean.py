"""RegMean: the linear layers that answer most as the models do (Jin et al., arXiv:2212.09849)."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from adapt.ensembling.weights.interpolate import State
from adapt.ensembling.weights.soup import AdjustedMean, Mean, check_alike
from adapt.training.features.grams import LinearPart

OFF_DIAGONAL = 0.9
"""What products of two different inputs are multiplied by; the authors' alpha."""

Grams = Mapping[LinearPart, Tensor]


def regmean(
    ingredients: Sequence[State], grams: Iterable[Grams], off_diagonal: float = OFF_DIAGONAL
) -> AdjustedMean:
    """Merge each linear layer so that its outputs are, in least squares, those of each model.

    The merged weight `W` (inputs x outputs) is `(sum of G_i)^-1 (sum of G_i W_i)`, which minimises
    the sum of `|X_i W - X_i W_i|^2`; `G_i` is the mean of `x x^T` over the inputs of model i with
    its off-diagonal scaled. All other tensors, biases too, are averaged, and so are the weights of
    inputs that are always zero.

    Args:
        ingredients: Two or more state dicts.
        grams: For each of them the Gram matrices of its linear layers; see
            `adapt.training.features.grams.input_grams`. Taken one by one: only their sums are kept.
        off_diagonal: From 0 to 1, which is plain least squares: where these have many solutions,
            the one nearest to the mean.

    Raises:
        RecipeError: When there are fewer than two ingredients.
        WeightsError: When names or shapes differ.
    """
    check_alike({f"ingredient {n}": state for n, state in enumerate(ingredients, start=1)})
    mean = Mean(ingredients)
    totals: dict[LinearPart, Tensor] = {}
    changes: dict[LinearPart, Tensor] = {}
    for ingredient, own in zip(ingredients, grams, strict=True):
        for part, gram in own.items():
            scaled = off_diagonal * gram
            scaled.diagonal().copy_(gram.diagonal())
            moved = ingredient[part.name].detach().cpu().double() - mean[part.name].double()
            change = (scaled.double() @ part.of(moved)).to(gram.dtype)
            totals[part] = totals[part] + scaled if part in totals else scaled
            changes[part] = changes[part] + change if part in changes else change

    def adjustment(name: str) -> Tensor:
        added = torch.zeros(mean[name].shape, dtype=torch.float64)
        for part in totals:
            if part.name == name:
                solution = _solve(totals[part].double(), changes[part].double(), off_diagonal)
                part.of(added).copy_(solution)
        return added

    return AdjustedMean(mean, {part.name for part in totals}, adjustment)


def _solve(total: Tensor, change: Tensor, off_diagonal: float) -> Tensor:
    if off_diagonal == 1:  # may be singular
        solution: Tensor = torch.linalg.lstsq(total, change, driver="gelsd").solution
        return solution
    diagonal = total.diagonal()
    diagonal[diagonal == 0] = 1  # such inputs have no change, and keep the mean
    return torch.cholesky_solve(change, torch.linalg.cholesky(total))
