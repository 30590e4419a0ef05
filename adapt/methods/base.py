"""What a method is, and the table of all of them.

A file in `heads`, `encoders` or `auto` is found by standing there. A method in another package is
found by an entry point in the group `adapt.methods` that bears the method's name and points to the
module. Both are imported when they are first asked for, since some bring Lightning or peft along.
"""

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from adapt.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from adapt.data.image_data import ImageData
    from adapt.models.classifier import Classifier
    from adapt.training.context import Context

PLACES = ("heads", "auto", "encoders")
"""Folders with methods, those that load quickly first."""
ENTRY_POINTS = "adapt.methods"


class Method(Protocol):
    """A dataclass of hyper-parameters that can fit.

    `prepare` says what trains without training it: a copy of `start` as a fit begins with it, in
    which exactly the parameters that train require gradients.

    `fit` gets the training and validation images only, so it cannot see test data; it leaves
    `start` as it is and returns a new `Classifier` with plain open_clip weights.

    A method that learns several labels per image says so with a class variable `several_labels`;
    `register` makes all others refuse such images.

    A method with settings named `optim` or `class_weights` draws or weighs classes as
    `Context.balance` says; `register` makes all others refuse it.
    """

    def prepare(self, start: "Classifier") -> "Classifier":
        """A copy of `start` in which what would train requires gradients, and nothing else."""
        ...

    def fit(
        self, start: "Classifier", data: "ImageData", context: "Context | None" = None
    ) -> "Classifier":
        """Adapt a copy of `start` to `data.train`, choosing only on `data.val`."""
        ...


_TABLE: dict[str, type] = {}
BALANCES_BY = {"optim", "class_weights"}
"""Settings by which a method can give rare classes more weight."""
Class = TypeVar("Class", bound=type)


def register(name: str) -> Callable[[Class], Class]:
    """Class decorator: make a method known by a name.

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
        if not getattr(method, "several_labels", False):
            _refuse_several_labels(name, method)
        if not set(getattr(method, "__dataclass_fields__", ())) & BALANCES_BY:
            _refuse_balance(name, method)
        return method

    return add


Check = Callable[["ImageData", "Context | None"], None]


def _check_before_fit(method: Any, check: Check) -> None:
    """Let a method call a check with its images and context before it fits."""
    fit = getattr(method, "fit", None)
    if fit is None:
        return

    @wraps(fit)
    def checked(
        self: Any, start: "Classifier", data: "ImageData", context: "Context | None" = None
    ) -> "Classifier":
        check(data, context)
        tuned: Classifier = fit(self, start, data, context)
        return tuned

    method.fit = checked


def _refuse_balance(name: str, method: Any) -> None:
    def check(_: "ImageData", context: "Context | None") -> None:
        if context is not None and context.balance != "none":
            raise RecipeError(
                f"data.balance - has no effect on the method {name} - {context.balance!r} - "
                "remove it, or choose a method with settings named `optim`"
            )

    _check_before_fit(method, check)


def _refuse_several_labels(name: str, method: Any) -> None:
    def check(data: "ImageData", _: "Context | None") -> None:
        if data.several_labels:
            given = f"images of {data.train.root} have several"
            advice = "use linear_probe, or a method that trains encoders, such as lora or full"
            raise RecipeError(f"method {name} - learns one label per image - {given} - {advice}")

    _check_before_fit(method, check)


def schemas(places: Sequence[str] = PLACES) -> dict[str, type]:
    """The dataclass of every method, by name: the schema of the recipe's `method:` section.

    A method of another package that cannot be loaded is a warning here and an error in `get`.

    Args:
        places: Folders to look into; methods of other packages are always there.
    """
    for place in places:
        _import_folder(place)
    for entry in _entry_points(tuple(sys.path)):
        if problem := _load(entry):
            warnings.warn(problem, stacklevel=2)
    return dict(sorted(_TABLE.items()))


def get(name: str) -> type:
    """The dataclass of one method.

    Raises:
        RecipeError: When there is none of that name, or it is in another package and cannot be
            loaded.
    """
    for place in PLACES:
        if name not in _TABLE:
            _import_folder(place)
    if name not in _TABLE:
        for entry in _entry_points(tuple(sys.path)):
            if entry.name == name and (problem := _load(entry)):
                raise RecipeError(problem)
    if name not in _TABLE:
        raise RecipeError(
            f"method.name - not a method - {name!r}{did_you_mean(name, schemas())} - adapt list "
            "methods"
        )
    return _TABLE[name]


def method(name: str, **settings: Any) -> Method:
    """A method by name, with its hyper-parameters.

    Raises:
        RecipeError: When there is no such method.
        TypeError: When a hyper-parameter is not known.
        ValueError: When one is out of range.

    >>> method("lora", rank=4).rank
    4
    """
    chosen: Method = get(name)(**settings)
    return chosen


@cache
def _import_folder(place: str) -> None:
    """Import every module of a folder here; `register` puts its methods into the table."""
    package = f"{__package__}.{place}"
    for module in pkgutil.walk_packages([str(Path(__file__).parent / place)], f"{package}."):
        importlib.import_module(module.name)


@cache
def _entry_points(path: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    """What the packages on `sys.path` offer; kept for each path, since reading takes 50 ms."""
    return tuple(metadata.entry_points(group=ENTRY_POINTS))


@cache
def _load(entry: metadata.EntryPoint) -> str:
    """Import a method of another package; what is wrong with it, or nothing."""
    before = set(_TABLE)
    try:
        entry.load()
        source = getattr(_TABLE.get(entry.name), "__module__", "")
        if source.split(".")[0] == entry.module.split(".")[0]:
            return ""
        problem = f"{entry.value} registers no method {entry.name!r}"
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    for name in _TABLE.keys() - before:  # nothing of a module that failed halfway
        del _TABLE[name]
    owner = entry.dist.name if entry.dist else entry.value
    advice = "update or uninstall that package"
    return f"method {entry.name} of the package {owner} - not loaded - {problem} - {advice}"
