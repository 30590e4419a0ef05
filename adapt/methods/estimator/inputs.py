"""What `FewShotClassifier` is given: labels, words, rows and settings, each checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from adapt.common.words import first_few
from adapt.data.labels.classes import (
    ClassName,
    check_names,
    check_words,
    default_words,
    normal,
)
from adapt.errors import DataError, RecipeError, did_you_mean
from adapt.methods.base import get
from adapt.methods.features.named import feature_methods

KINDS: dict[Any, tuple[Any, str]] = {
    int: (Integral, "an integer"),
    float: (Real, "a number"),
    bool: ((bool, np.bool_), "True or False"),
    str: (str, "text"),
    list: ((list, tuple), "a list"),
    dict: (Mapping, "a dictionary"),
    NoneType: (NoneType, "None"),
    object: (object, "another value"),
}
"""What a setting of an annotated type may be, and how that is said."""
MISSING = ("NoneType", "NAType", "NaTType")
"""Types of what stands for nothing: None, and pandas' own."""
ADVICE = "give features (N, D), not images or their paths"
Value = TypeVar("Value")


def read_labels(y: Any) -> npt.NDArray[Any]:
    """Labels (N,) that are all there and can be sorted.

    Raises:
        DataError: When they are not one-dimensional, one is missing, or their types are mixed.

    >>> read_labels(["b", 1])
    Traceback (most recent call last):
    adapt.errors.DataError: labels - cannot be sorted - types int, str - give labels of one type
    """
    given = _plain(y)
    each = np.array(given, dtype=object)
    if each.ndim != 1 or len(each) == 0:
        shape = f"shape {each.shape}"
        raise DataError(f"labels - not one for each image - {shape} - give a list of N labels")
    missing = [place for place, label in enumerate(each) if _missing(label)]
    if missing:
        raise DataError(
            f"labels - missing - None, NaN or empty for {len(missing)} of {len(each)} images, "
            f"first {missing[0]} - label these images, or leave them out"
        )
    try:
        sorted(set(each))  # numpy would make text of numbers beside text
    except TypeError as error:
        own = [label.item() if isinstance(label, np.generic) else label for label in each]
        types = ", ".join(sorted({type(label).__name__ for label in own}))
        raise DataError(
            f"labels - cannot be sorted - types {types} - give labels of one type"
        ) from error
    return np.asarray(given)


def _missing(label: Any) -> bool:
    not_a_number = isinstance(label, Real) and bool(label != label)
    empty = isinstance(label, str) and not label.strip()
    return type(label).__name__ in MISSING or not_a_number or empty


def name_labels(classes: npt.NDArray[Any]) -> dict[Any, str]:
    r"""Names of the classes by label: the labels as text, in Unicode NFC.

    Args:
        classes: Sorted labels (K,), two or more.

    Raises:
        DataError: When there is one class only, or two labels have equal names; see `check_names`.

    >>> name_labels(np.array([0, 10])), name_labels(np.array(["cafe\u0301", "tea"]))["cafe\u0301"]
    ({0: '0', 10: '10'}, 'café')
    """
    labels = classes.tolist()
    if len(labels) < 2:
        raise DataError(f"fit - one class - {labels} - give two or more")
    names = {label: normal(str(label)) for label in labels}
    check_names(list(names.values()), "labels")
    return names


def read_words(given: Any, names: Mapping[Any, str]) -> list[ClassName]:
    """The classes with their words: those given, or the name with spaces.

    Args:
        given: Words by label, or None; the Unicode form of a label plays no part.
        names: Names by label.

    Raises:
        RecipeError: When a key is no label or words are no text; lists all such.
        DataError: When two classes have equal words.

    >>> read_words({"0": "ship"}, {0: "0", 1: "1"})
    Traceback (most recent call last):
    adapt.errors.RecipeError: class_names - not labels - '0' - the labels are: 0, 1
    """
    if given is not None and not isinstance(given, Mapping):
        raise RecipeError(f"class_names - not a dictionary - {given!r} - give words by label")
    words = _merged(((_key(key), value) for key, value in (given or {}).items()), "class_names")
    known = {_key(label): name for label, name in names.items()}
    if unknown := [key for key in words if key not in known]:
        few = first_few(map(repr, known), 10)
        listed = ", ".join(map(repr, unknown))
        raise RecipeError(f"class_names - not labels - {listed} - the labels are: {few}")
    bare = [key for key, value in words.items() if not isinstance(value, str) or not value.strip()]
    if bare:
        lines = [f"class_names.{key} - not words - {words[key]!r} - give text" for key in bare]
        raise RecipeError("\n".join(lines))
    named = [
        ClassName(name, normal(words[key].strip()) if key in words else default_words(name))
        for key, name in known.items()
    ]
    check_words({name.key: name for name in named}, "class_names")
    return named


def _key(label: Any) -> Any:
    return normal(label) if isinstance(label, str) else label


def _merged(pairs: Iterable[tuple[Any, Value]], path: str) -> dict[Any, Value]:
    merged: dict[Any, Value] = {}
    for key, value in pairs:
        if key in merged:
            raise RecipeError(f"{path} - two keys for one class - {key!r} - keep one")
        merged[key] = value
    return merged


def read_seed(seed: Any) -> int:
    """The seed as an integer.

    Raises:
        RecipeError: When it is none, or does not fit into 64 bits.

    >>> read_seed(np.int64(3))
    3
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or abs(int(seed)) >= 2**63:
        raise RecipeError(f"seed - not an integer - {seed!r} - give one of at most 63 bits")
    return int(seed)


def read_numbers(given: Any, path: str) -> npt.NDArray[np.float64]:
    """An array or tensor of numbers, on any device and of any precision, as float64.

    Args:
        given: Numbers.
        path: For errors.

    Raises:
        DataError: When these are no numbers, or rows of unequal length.
    """
    try:
        values = np.asarray(_plain(given))
    except ValueError as error:
        raise DataError(f"{path} - not an array - {error} - {ADVICE}") from error
    numbers = values.dtype == object and all(isinstance(value, Real) for value in values.flat)
    if values.dtype.kind not in "biuf" and not numbers:
        first = str(next(iter(values.flat), ""))[:60]
        raise DataError(f"{path} - not numbers - {values.dtype} such as {first!r} - {ADVICE}")
    return values.astype(np.float64)


def _plain(given: Any) -> Any:
    """Tensors, also in a list, as arrays; all else as it is."""
    if isinstance(given, Tensor):
        values = given.detach().cpu()  # numpy knows no bfloat16
        return (values.double() if values.is_floating_point() else values).numpy()
    if isinstance(given, (list, tuple)) and any(isinstance(item, Tensor) for item in given):
        return [_plain(item) for item in given]
    return given


def read_rows(given: Any, width: int) -> Tensor:
    """Features (N, D), each made unit length, in float32.

    Args:
        given: Numbers (N, D).
        width: D.

    Raises:
        DataError: When the shape does not fit, a number is not finite, or a row is zero.
    """
    features = read_numbers(given, "features")
    if features.ndim != 2 or features.shape[1] != width:
        shape = f"shape {features.shape}"
        raise DataError(f"features - wrong width - {shape} - give (N, {width}), as text_features")
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(1))
        raise DataError(
            f"features - not finite - NaN or infinity in {len(rows)} rows, first {rows[0]} - "
            "remove or recompute them"
        )
    largest = np.abs(features).max(1, keepdims=True)
    if len(features) == 0 or not largest.all():
        rows_given = f"{len(features)} rows"
        raise DataError(f"features - a row of zeros, or none - {rows_given} - give real features")
    features = features / largest  # so that no square is too large or too small
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return torch.from_numpy(unit.astype(np.float32))


def read_method(name: str, settings: Any, names: Mapping[Any, str]) -> Any:
    """The method with its settings.

    Args:
        name: One of the feature-space methods, `auto`, `mixture` or `zero_shot`.
        settings: Hyper-parameters; keys of `class_weights` are labels, or their names.
        names: Names by label.

    Raises:
        RecipeError: When the method or a setting is not known, a value is not of its type or out
            of range, or it asks for views or val images, of which there are none.
    """
    known = [*feature_methods(), "auto", "mixture", "zero_shot"]
    if name not in known:
        hint, choice = did_you_mean(str(name), known), ", ".join(known)
        raise RecipeError(
            f"method - no feature-space method - {name!r}{hint} - choose from {choice}"
        )
    given = _typed(name, settings)
    if isinstance(weights := given.get("class_weights"), Mapping):
        named = [(names.get(key, normal(str(key))), value) for key, value in weights.items()]
        given["class_weights"] = _merged(named, "settings.class_weights")
    try:
        method = get(name)(**given)
    except (TypeError, ValueError) as error:
        raise refusal(name, error) from error
    wrong = []
    if given.get("views", 1) > 1:
        advice = "leave it out: this estimator sees one view of each image"
        wrong.append(f"settings.views - more than one - {given['views']} - {advice}")
    if given.get("select_on_val", False):
        advice = "leave it out: this estimator has no val images"
        wrong.append(f"settings.select_on_val - nothing to select on - True - {advice}")
    if wrong:
        raise RecipeError("\n".join(wrong))
    return method


def _typed(name: str, settings: Any) -> dict[str, Any]:
    """A copy of the settings, whose keys and types the method knows."""
    if settings is not None and not isinstance(settings, Mapping):
        raise RecipeError(f"settings - not a dictionary - {settings!r} - give values by name")
    hints = get_type_hints(get(name))
    known = [field.name for field in fields(get(name))]
    wrong = []
    for key, value in (settings or {}).items():
        path = f"settings.{key}"
        if key not in known:
            hint, choice = did_you_mean(str(key), known), ", ".join(known) or "none"
            wrong.append(f"{path} - unknown{hint} - {value!r} - settings of {name}: {choice}")
        elif not any(_is_a(value, kind) for kind in _options(hints[key])):
            advice = " or ".join(KINDS[kind][1] for kind in _options(hints[key]))
            wrong.append(f"{path} - wrong type - {value!r} - give {advice}")
    if wrong:
        raise RecipeError("\n".join(wrong))
    return dict(settings or {})


def _options(hint: Any) -> Sequence[Any]:
    several = isinstance(hint, UnionType) or get_origin(hint) is Union
    kinds = [get_origin(option) or option for option in (get_args(hint) if several else (hint,))]
    return [kind if kind in KINDS else object for kind in kinds]


def _is_a(value: Any, kind: Any) -> bool:
    return isinstance(value, KINDS[kind][0]) and not (
        isinstance(value, bool) and kind in (int, float)
    )


def refusal(name: str, error: Exception) -> RecipeError:
    """What a method says against its settings, with their key path.

    >>> str(refusal("gda", ValueError("alpha - out of range - -1 - give 0 or more")))
    'settings.alpha - out of range - -1 - give 0 or more'
    """
    lines = str(error).splitlines()
    if lines and all(line.count(" - ") >= 3 for line in lines):
        return RecipeError("\n".join(f"settings.{line}" for line in lines))
    return RecipeError(f"settings - do not fit {name} - {error} - correct them")
