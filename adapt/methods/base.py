"""What a method is, and the table of all of them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar

from adapt.data.image_data import ImageData
from adapt.errors import RecipeError, did_you_mean
from adapt.models.classifier import Classifier
from adapt.training.context import Context


class Method(Protocol):
    """A dataclass of hyper-parameters that can fit.

    `prepare` says what trains without training it: a copy of `start` as a fit begins with it, in
    which exactly the parameters that train require gradients.

    `fit` gets the training and validation images only, so it cannot see test data; it leaves
    `start` as it is and returns a new `Classifier` with plain open_clip weights.

    One with settings named `optim` or `class_weights` draws or weighs classes as
    `Context.balance` says; the others refuse a balance, which `register` sees to.
    """

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of `start` in which what would train requires gradients, and nothing else."""
        ...

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Adapt a copy of `start` to `data.train`, choosing only on `data.val`."""
        ...


_TABLE: dict[str, type] = {}
BALANCES_BY = {"optim", "class_weights"}
"""Settings by which a method can give rare classes their share."""
Class = TypeVar("Class", bound=type)


def register(name: str) -> Callable[[Class], Class]:
    """Class decorator: make a method known under a name of its own.

    Raises:
        RecipeError: When the name is taken.
    """

    def add(method: Class) -> Class:
        if name in _TABLE:
            raise RecipeError(
                f"method {name} - registered twice - {_TABLE[name].__module__} has it - choose "
                "another name"
            )
        _TABLE[name] = method
        if not set(getattr(method, "__dataclass_fields__", ())) & BALANCES_BY:
            _refuse_balance(name, method)
        return method

    return add


def _refuse_balance(name: str, method: Any) -> None:
    fit = getattr(method, "fit", None)
    if fit is None:
        return

    @wraps(fit)
    def checked(
        self: Any, start: Classifier, data: ImageData, context: Context | None = None
    ) -> Classifier:
        if context is not None and context.balance != "none":
            raise RecipeError(
                f"data.balance - has no effect on the method {name} - {context.balance!r} - "
                "remove it, or choose a method with settings named `optim`"
            )
        tuned: Classifier = fit(self, start, data, context)
        return tuned

    method.fit = checked


def schemas() -> dict[str, type]:
    """The dataclass of every method, by name: the schema of the recipe's `method:` section."""
    return dict(sorted(_TABLE.items()))


def get(name: str) -> type:
    """The dataclass of one method.

    Raises:
        RecipeError: When there is none of that name.
    """
    if name not in _TABLE:
        raise RecipeError(
            f"method.name - not a method - {name!r}{did_you_mean(name, _TABLE)} - adapt list "
            "methods"
        )
    return _TABLE[name]


def check_ranges(settings: object, checks: dict[str, tuple[bool, str]]) -> None:
    """Check hyper-parameters of a method.

    Args:
        settings: Their owner.
        checks: For each field whether its value is good, and what to give instead.

    Raises:
        ValueError: When one is not; the message names it.
    """
    for name, (good, advice) in checks.items():
        if not good:
            raise ValueError(f"{name} - out of range - {getattr(settings, name)!r} - {advice}")
