"""Newton's method against closed forms and scipy."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from adapt.training.newton import ConvexProblems, Product, minimise

pytestmark = pytest.mark.numerical


class Quadratics(ConvexProblems):
    """`x' A x / 2 - b' x`, one for each matrix A."""

    def __init__(self, count: int, width: int, precision: torch.dtype = torch.float64) -> None:
        random = torch.Generator().manual_seed(0)
        roots = torch.randn(count, width, width, generator=random, dtype=torch.double)
        self.matrices = (roots @ roots.mT + 0.1 * torch.eye(width)).to(precision)
        self.right = torch.randn(count, width, generator=random, dtype=torch.double).to(precision)
        self.precision = precision

    def slopes(self, points: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        turned = (self.matrices[which] @ points[..., None])[..., 0]
        return (points * (turned / 2 - self.right[which])).sum(1), turned - self.right[which]

    def curvature(self, points: Tensor, which: Tensor) -> tuple[Tensor, Product]:
        matrices = self.matrices[which]

        def product(vectors: Tensor) -> Tensor:
            return (matrices @ vectors[..., None])[..., 0]

        return matrices.diagonal(dim1=1, dim2=2), product


class Saturated(ConvexProblems):
    """`sum of log(1 + exp(-s x)) + x^2 / 2000`: flat on the right, a straight slope on the left."""

    precision = torch.float64

    def __init__(self, scales: list[float]) -> None:
        self.scales = torch.tensor(scales, dtype=torch.double)[:, None]

    def slopes(self, points: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        scale = self.scales[which]
        value = torch.nn.functional.softplus(-scale * points) + points.square() / 2000
        slope = -scale * torch.sigmoid(-scale * points) + points / 1000
        return value.sum(1), slope

    def curvature(self, points: Tensor, which: Tensor) -> tuple[Tensor, Product]:
        p = torch.sigmoid(self.scales[which] * points)
        diagonal = self.scales[which].square() * p * (1 - p) + 1 / 1000
        return diagonal, lambda vectors: diagonal * vectors


def test_quadratics_are_solved() -> None:
    problems = Quadratics(4, 9)
    start = torch.zeros(4, 9, dtype=torch.double)
    found = minimise(problems, start, 1e-14)
    torch.testing.assert_close(
        found, torch.linalg.solve(problems.matrices, problems.right), rtol=1e-5, atol=1e-6
    )
    assert start.abs().max() == 0, "the start is not changed"


def test_problems_do_not_see_each_other() -> None:
    """Together and alone each ends at the same place, however many steps the others take."""
    problems = Saturated([1.0, 30.0, 0.3])
    start = torch.tensor([[-50.0, 3.0], [2.0, -80.0], [0.0, 0.5]], dtype=torch.double)
    together = minimise(problems, start, 1e-12)
    for number, scale in enumerate([1.0, 30.0, 0.3]):
        alone = minimise(Saturated([scale]), start[number : number + 1], 1e-12)
        torch.testing.assert_close(together[number], alone[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("place", [-500.0, -3.0, 0.0, 40.0])
def test_far_starts_end_where_scipy_does(place: float) -> None:
    """Where the curvature says nothing a Newton step goes much too far, and must be shortened."""
    problems, which = Saturated([2.0]), torch.tensor([0])

    def value(x: np.ndarray) -> float:
        return float(problems.slopes(torch.from_numpy(x)[None], which)[0])

    expected = minimize(value, np.zeros(1), method="BFGS", options={"gtol": 1e-9}).x
    found = minimise(problems, torch.tensor([[place]], dtype=torch.double), 1e-14)
    np.testing.assert_allclose(found[0], expected, atol=1e-3)


def test_gradients_of_higher_precision_decide_where_it_ends() -> None:
    """Steps in single precision reach the minimum that double precision sees."""
    rough, exact = Quadratics(2, 9, torch.float32), Quadratics(2, 9)
    found = minimise(rough, torch.zeros(2, 9), 1e-16, exact=exact, remainder=0.1)
    assert found.dtype == torch.double
    torch.testing.assert_close(
        found, torch.linalg.solve(exact.matrices, exact.right), rtol=1e-7, atol=1e-8
    )


def test_iterations_are_a_limit() -> None:
    problems, start = Saturated([1.0]), torch.tensor([[-500.0]], dtype=torch.double)
    assert minimise(problems, start, 1e-12, iterations=0).equal(start)
    one, two = (minimise(problems, start, 1e-12, iterations=number) for number in (1, 2))
    which = torch.tensor([0])
    values = [float(problems.slopes(points, which)[0]) for points in (start, one, two)]
    assert values == sorted(values, reverse=True)
    assert values[1] > values[2]
