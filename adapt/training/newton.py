"""Newton's method for several smooth convex problems at once, its equations solved in part."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

DOWN = 1e-4
"""A step must lower the value by this fraction of what its first slope promises (Armijo)."""
UPHILL = 0.5
"""Where the change of the value is lost in rounding: a step may end this steep uphill, as a
fraction of how steep it began downhill (Hager and Zhang's approximate Wolfe condition, 2005)."""
ROUNDING = 4.0
"""What counts as rounding, in units of the last digit of the value."""
MOST_TRIALS = 20
"""Of the length of a step."""
MOST_PRODUCTS = 200
"""Of the second derivative with a vector, for one step."""
Product = Callable[[Tensor], Tensor]


class ConvexProblems(ABC):
    """Convex functions of M numbers each, computed together."""

    precision: torch.dtype
    """Of what is computed."""

    @abstractmethod
    def slopes(self, points: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Values (P,) and gradients (P, M).

        Args:
            points: Shape (P, M).
            which: Numbers (P,) of the problems to which the points belong.
        """

    @abstractmethod
    def curvature(self, points: Tensor, which: Tensor) -> tuple[Tensor, Product]:
        """The second derivative at points: its diagonal (P, M), and its product with (P, M).

        The diagonal only decides how fast a step is computed, so it may be approximate; it must be
        above zero.
        """


def minimise(
    problems: ConvexProblems,
    start: Tensor,
    tolerance: float,
    iterations: int = 1000,
    exact: ConvexProblems | None = None,
    remainder: float = 0.3,
) -> Tensor:
    """Points near the minima, by Newton steps computed with conjugate gradients.

    Args:
        problems: The functions.
        start: Where to begin, (P, M).
        tolerance: A problem is finished with a step that promises to lower the value by less than
            this fraction of it (of 1 where the value is less than 1).
        iterations: Most steps.
        exact: The same functions in higher precision: gradients are then computed by these, and
            only the steps by `problems`.
        remainder: What may be left of the gradient in the equations of a step, relative to it.

    Returns:
        Shape (P, M), in the precision of the gradients.
    """
    judge = exact or problems
    ends = start.to(judge.precision, copy=True)
    points, which = ends.clone(), torch.arange(len(start))
    values, gradients = judge.slopes(points, which)
    for _ in range(iterations):
        diagonal, product = problems.curvature(points.to(problems.precision), which)
        downhill = -gradients.to(problems.precision)
        steps = _solve(product, diagonal, downhill, remainder).to(judge.precision)
        promised = -_dot(gradients, steps) / 2
        points, gradients, values, stuck = _move(judge, points, which, gradients, steps, values)
        ends[which] = points
        finished = stuck | (promised <= tolerance * values.clamp(min=1))
        left = ~finished
        if not left.any():
            break
        points, gradients, values, which = points[left], gradients[left], values[left], which[left]
    return ends


def _solve(product: Product, diagonal: Tensor, right: Tensor, remainder: float) -> Tensor:
    """About the solutions (P, M) of linear equations, by preconditioned conjugate gradients."""
    solution, residual = torch.zeros_like(right), right.clone()
    ahead = residual / diagonal
    size = first = _dot(residual, ahead)
    for _ in range(MOST_PRODUCTS):
        active = size > remainder**2 * first
        if not active.any():
            break
        turned = product(ahead)
        bend = _dot(ahead, turned)
        length = torch.where(active & (bend > 0), size / bend, 0.0)[:, None]
        solution.addcmul_(length, ahead)
        residual.addcmul_(length, turned, value=-1)
        scaled = residual / diagonal
        # A finished problem moves no more, but the others go on.
        new = torch.where(active, _dot(residual, scaled), size)
        ahead = torch.addcmul(scaled, (new / size).nan_to_num()[:, None], ahead)
        size = new
    return solution


def _move(
    judge: ConvexProblems,
    points: Tensor,
    which: Tensor,
    gradients: Tensor,
    steps: Tensor,
    values: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """New points with gradients and values, and which problems could not move for rounding."""
    steep = _dot(gradients, steps)
    stuck = ~(steep < 0)
    length = torch.ones_like(steep)
    noise = ROUNDING * torch.finfo(values.dtype).eps * values
    for _ in range(MOST_TRIALS):
        ends = points + length[:, None] * steps
        new_values, new_gradients = judge.slopes(ends, which)
        slope = _dot(new_gradients, steps)
        lower = new_values <= values + DOWN * length * steep
        level = (new_values <= values + noise) & (slope <= UPHILL * -steep)
        far = ~(lower | level) & ~stuck
        if not far.any():
            break
        # Where the slope would be zero if it grew evenly.
        nearer = length * (steep / (steep - slope)).nan_to_num(0.1).clamp(0.1, 0.9)
        length = torch.where(far, nearer, length)
    else:
        stuck |= far
    still = stuck[:, None]
    return (
        torch.where(still, points, ends),
        torch.where(still, gradients, new_gradients),
        torch.where(stuck, values, new_values),
        stuck,
    )


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(1)
