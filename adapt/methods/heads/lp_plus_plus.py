"""A linear probe with a learned weight of the text of each class: LP++ (arXiv:2404.02285).

Logits are `f . (w_k + alpha_k t_k) + b_k` with unit features f and unit text t_k. `lp_plus_plus` is
the released code, whose steps differ from the paper's; `lp_plus_plus_clean` has no bias and goes
to the minimum with steps that are proven to descend.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.common.ranges import Ranges, above, at_least
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.fitting import (
    classes_with_support,
    cross_entropy_slope,
    within_reach,
)
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head

MOMENTUM, ALPHA_EVERY, ALPHA_START = 0.9, 10, 250.0


@register("lp_plus_plus")
@dataclass
class LpPlusPlus(HeadMethod):
    """LP++ as released: full-batch SGD on W and b, and a step of alpha every ten epochs.

    Kept as the authors' code has it: W starts as the *sum* of a class's features, b at random, and
    every alpha at 250 times the mean cosine of images with their text; the step of W is 4 N over
    the largest eigenvalue of F'F, with momentum 0.9; the step of alpha is N over 4 times the
    largest sum of squared cosines, and its gradient is *never zeroed*, so each step repeats all
    before it. `lp_plus_plus_clean` has none of this.

    A class without support images keeps the zero-shot logits and competes with the others. The
    encoders stay as they are.
    """

    ranges = Ranges(epochs=at_least(1))

    epochs: int = 300
    """Full-batch steps."""
    select_on_val: bool = False
    """Keep the epoch of best val accuracy (the last of equals), as the authors do on a val set as
    large as the support; off keeps the last epoch. Without val images it has no effect."""
    views: int = 1
    """Augmented views of each image, whose mean is used; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """Weight `W + alpha * text`, and the bias."""
        rows, x, y = classes_with_support(support.targets), support.features, support.targets
        weight, bias, alpha = released_start(support, rows)
        rate, alpha_rate = released_rates(x, support.text)
        speeds = torch.zeros_like(weight), torch.zeros_like(bias)
        text, pull = support.text[rows], torch.zeros_like(alpha)
        kept, best = combine(support, rows, weight, bias, alpha), -1.0
        val = support.val if self.select_on_val else None
        for epoch in range(self.epochs):
            logits = F.linear(x, *combine(support, rows, weight, bias, alpha))
            slope = cross_entropy_slope(logits, y)
            own = slope.index_select(1, rows)
            gradients = own.T @ x, own.sum(0)
            pull += (gradients[0] * text).sum(1)  # never zeroed, see above
            for part, speed, gradient in zip((weight, bias), speeds, gradients, strict=True):
                part -= rate * speed.mul_(MOMENTUM).add_(gradient)
            if (epoch + 1) % ALPHA_EVERY == 0:
                alpha -= alpha_rate * pull
            if val is not None:
                current = combine(support, rows, weight, bias, alpha)
                right = float((F.linear(val[0], *current).argmax(1) == val[1]).double().mean())
                kept, best = (current, right) if right >= best else (kept, best)
        if val is None:
            kept = combine(support, rows, weight, bias, alpha)
        return linear_head(*kept)


def combine(
    support: Support, rows: Tensor, weight: Tensor, bias: Tensor, alpha: Tensor
) -> tuple[Tensor, Tensor]:
    """Weight (K, D) and bias (K,) of the head; classes without support are zero-shot's.

    Args:
        support: Gives the text and the number of classes K.
        rows: Numbers of the P classes with support.
        weight: W (P, D).
        bias: b (P,).
        alpha: Weight of the text (P,).
    """
    base = support.zero_shot.to(weight.dtype)
    text = support.text.to(weight.dtype)[rows]
    full = base.index_copy(0, rows, weight + alpha[:, None] * text)
    return full, base.new_zeros(len(base)).index_copy(0, rows, bias)


def released_start(support: Support, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """W (P, D), b (P,) and alpha (P,) as the authors' code begins."""
    x, y = support.features, support.targets
    totals = torch.zeros_like(support.text).index_add(0, y, x)[rows]
    count = torch.bincount(y, minlength=support.classes)[rows]
    cosine = (totals * support.text[rows]).sum(1) / count  # mean over the class's images
    random = torch.Generator().manual_seed(support.seed)
    bound = x.shape[1] ** -0.5
    bias = (2 * torch.rand(len(rows), generator=random) - 1) * bound
    alpha = torch.full((len(rows),), ALPHA_START * float(cosine.mean()))
    return totals, bias, alpha


def released_rates(features: Tensor, text: Tensor) -> tuple[float, float]:
    """Learning rates of W and of alpha as in the authors' code.

    Args:
        features: F (N, D).
        text: Unit text directions (K, D).

    >>> released_rates(torch.eye(2), torch.eye(2))
    (8.0, 0.5)
    """
    largest = torch.linalg.eigvalsh(features.T @ features)[-1]
    squares = (features @ text.T).square().sum(0).max()
    return 4 * len(features) / float(largest), len(features) / (4 * float(squares))


@register("lp_plus_plus_clean")
@dataclass
class LpPlusPlusClean(HeadMethod):
    """LP++ from the paper's loss: one strictly convex problem in W and alpha, to its minimum.

    Minimises `mean cross-entropy + (|W|^2 + |alpha - exp(logit scale)|^2) / (2 C N)` with N images
    and, as in the paper, no bias: C as in scikit-learn, and zero-shot as C goes to zero. The paper
    has no such penalty and stops after 300 steps; but few images can be told apart exactly, and
    then its loss has no minimum. A class without support images keeps the zero-shot logits and
    competes with the others. The encoders stay as they are.
    """

    ranges = Ranges(C=above(), iterations=at_least(1), tolerance=above())
    fits_bias = False

    C: float = 100.0
    """scikit-learn's C. From 1 to 1000 it changes little on real CLIP features with text."""
    iterations: int = 1000
    """Most steps."""
    tolerance: float = 1e-3
    """Stop when a step promises to lower the loss by less than half the square of this. 1e-6 takes
    three to ten times the steps."""
    views: int = 1
    """Augmented views of each image, whose mean is used; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """Weight `W + alpha * text`; the bias is zero."""
        return linear_head(minimise(support, self.C, self.iterations, self.tolerance))


def minimise(support: Support, C: float, iterations: int, tolerance: float) -> Tensor:
    """The weight `V = W + alpha * text` (K, D) at which the loss of `LpPlusPlusClean` is smallest.

    For given V the best alpha is `(t.V + s) / 2` with s = exp(logit scale), so what the penalty
    asks of `U = V - s t` is `|U|^2 - (t.U)^2 / 2`, and one block is left. Descent is the paper's
    majorise-minimise with Nesterov's momentum and restarts. A softmax bends by up to 1/2 when all
    classes move at once (the paper's 1/4 holds for one class alone), so `F'F / (2 N) + 1 / (C N)`
    bounds the curvature. Along its eigenvectors each step is exact, where the paper's one step
    size, from the largest eigenvalue, crawls along the others.

    Args:
        support: Images, text and scale.
        C: scikit-learn's C.
        iterations: Most steps.
        tolerance: See `LpPlusPlusClean.tolerance`.
    """
    rows, images = classes_with_support(support.targets), len(support.targets)
    strength = 1 / (C * images)
    features = support.features.double()
    values, axes = torch.linalg.eigh(features.T @ features)
    # In the eigenvectors of F'F the bound on the curvature is diagonal, so a step divides each
    # coordinate by a number. Single precision would stop far from the minimum when the tolerance
    # is small.
    kind = torch.float32 if tolerance > 1e-5 else torch.float64
    bend = (values.clamp(min=0) / (2 * images) + strength).to(kind)
    turned, text = (features @ axes).to(kind), (support.text[rows].double() @ axes).to(kind)
    fixed = (features @ support.zero_shot.double().T).to(kind)
    onehot = F.one_hot(support.targets, support.classes).to(kind)
    moved = torch.zeros_like(text)
    ahead, pace = moved, 1.0
    for _ in range(iterations):
        logits = fixed.index_add(1, rows, turned @ ahead.T)
        logits = within_reach(logits, support.targets)
        slope = ((logits.softmax(1) - onehot) / images)[:, rows].T @ turned
        # The gradient of (|U|^2 - (t.U)^2 / 2) / 2: along its text a row is pulled half as hard,
        # because alpha takes half of such a move.
        slope += strength * (ahead - (ahead * text).sum(1, keepdim=True) * text / 2)
        new = ahead - slope / bend
        if float((slope * (new - moved)).sum()) > 0:  # uphill: the momentum is too much
            pace = 1.0
        faster = (1 + math.sqrt(1 + 4 * pace**2)) / 2
        ahead, moved, pace = new + (pace - 1) / faster * (new - moved), new, faster
        if float((slope.square() / bend).sum()) < tolerance**2:
            break
    return support.zero_shot.index_add(0, rows, (moved.double() @ axes.T).float())
