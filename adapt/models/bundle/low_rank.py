"""Changes of weights as products of two thin matrices, and how they are added to a start.

What LoRA trained is a few megabytes beside hundreds. Kept with the model, it can be handed on
alone: the sum is made here in an order that is the same on every machine, so that the same weights
come out bit for bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from adapt.errors import WeightsError

UP, DOWN, SCALE, ALPHA = "up", "down", "scale", "alpha"
SEPARATOR = "/"


def between(start: Tensor, end: Tensor, alpha: float) -> Tensor:
    """`(1 - alpha) * start + alpha * end`, in the type of `start`.

    In float64: rounded once, so that a half-precision mix is the nearest there is.

    >>> between(torch.zeros(2), torch.ones(2), 0.25)
    tensor([0.2500, 0.2500])
    """
    return ((1 - alpha) * start.double() + alpha * end.double()).to(start.dtype)


@dataclass(frozen=True)
class Product:
    """What is added to rows of a parameter.

    Attributes:
        name: Of the parameter.
        start: First of its rows.
        up: Shape (rows, rank).
        down: Shape (rank, columns).
    """

    name: str
    start: int
    up: Tensor
    down: Tensor

    def times(self, scale: float) -> Tensor:
        """`scale * up @ down` in float64, summed rank by rank.

        Each product of two float32 numbers is exact in float64, and numbers are added one by one:
        no machine or library can come to another result.
        """
        up, down = self.up.double(), self.down.double()
        total = torch.zeros(len(up), down.shape[1], dtype=torch.float64, device=up.device)
        for inner in range(down.shape[0]):
            total += up[:, inner, None] * down[inner]
        return total * scale


@dataclass(frozen=True)
class LowRank:
    """Everything that was added to a start, and how far the model went towards it.

    Attributes:
        products: One for each adapted layer, by name and row.
        scale: Factor of all of them: `alpha / rank` of LoRA.
        alpha: Where the model lies between the start (0) and the sum (1).
    """

    products: tuple[Product, ...]
    scale: float
    alpha: float = 1.0

    def __post_init__(self) -> None:
        ordered = sorted(self.products, key=lambda product: (product.name, product.start))
        object.__setattr__(self, "products", tuple(ordered))

    def at(self, alpha: float) -> "LowRank | None":
        """Of the model at `alpha` between the start and this one; None where that is no line.

        A point on a line that was already mixed is rounded twice, and has no product of its own.
        """
        return replace(self, alpha=alpha) if self.alpha == 1 and alpha != 0 else None

    def weights(self, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters of the model that are not those of the start.

        Args:
            start: State dict, which is not changed.

        Raises:
            WeightsError: When the start lacks a parameter, or rows of it.
        """
        sums: dict[str, Tensor] = {}
        for product in self.products:
            self._check(product, start)
            if product.name not in sums:
                sums[product.name] = start[product.name].detach().clone()
            own, rows = sums[product.name], slice(product.start, product.start + len(product.up))
            own[rows] += product.times(self.scale).to(own)
        if self.alpha == 1:
            return sums
        return {name: between(start[name], value, self.alpha) for name, value in sums.items()}

    @staticmethod
    def _check(product: Product, start: Mapping[str, Tensor]) -> None:
        own = start.get(product.name)
        shape = (len(product.up), product.down.shape[1])
        fits = own is not None and own.ndim == 2 and own.shape[1] == shape[1]
        if not fits or own is None or product.start + shape[0] > len(own):
            given = "none" if own is None else str(tuple(own.shape))
            raise WeightsError(
                f"{product.name} - an adapter does not fit - {given}, {shape} are added from row "
                f"{product.start} - give the weights that the adapter was trained on"
            )

    def tensors(self) -> dict[str, Tensor]:
        """For a file; see `from_tensors`."""
        parts = {
            SEPARATOR.join((side, str(product.start), product.name)): getattr(product, side)
            for product in self.products
            for side in (UP, DOWN)
        }
        numbers = {SCALE: self.scale, ALPHA: self.alpha}
        return parts | {n: torch.tensor([v], dtype=torch.float64) for n, v in numbers.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "LowRank":
        """What `tensors` gave.

        Raises:
            WeightsError: When a part is missing, not known, or of another type or shape.
        """
        ups = [name for name in tensors if name.startswith(UP + SEPARATOR)]
        expected = {SCALE, ALPHA, *ups, *(DOWN + name[len(UP) :] for name in ups)}
        if strange := sorted(expected ^ set(tensors)):
            raise _wrong(strange[0], "missing or not known")
        numbers = {}
        for name in (SCALE, ALPHA):
            value = tensors[name]
            if value.dtype != torch.float64 or value.shape != (1,) or not value.isfinite().all():
                raise _wrong(name, "not a number")
            numbers[name] = float(value)
        products = []
        for name in ups:
            _, start, parameter = name.split(SEPARATOR, 2)
            up, down = tensors[name], tensors[DOWN + name[len(UP) :]]
            plain = all(t.ndim == 2 and t.dtype == torch.float32 for t in (up, down))
            if not plain or not start.isdecimal() or up.shape[1] != down.shape[0]:
                raise _wrong(name, "another type or shape")
            products.append(Product(parameter, int(start), up, down))
        return cls(tuple(products), numbers[SCALE], numbers[ALPHA])


def _wrong(name: str, what: str) -> WeightsError:
    return WeightsError(f"adapter - {what} - {name!r:.80} - copy the whole folder again")
