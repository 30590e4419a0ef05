"""Classes of unequal size: weights for their images, and orders that draw them evenly.

Both say the same in two ways. A loss in which an image of class c weighs `w_c` has, in the mean
over many steps, the gradient of one in which class c is drawn `w_c` times as often.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from adapt.common.words import first_few
from adapt.data.labels.classes import normal
from adapt.errors import RecipeError, did_you_mean

BALANCES = ("none", "uniform", "sqrt")
"""How often each class is drawn: as it comes, equally often, by the root of its count."""


def check_balance(balance: str) -> str:
    """The same word, if it is known.

    Raises:
        RecipeError: When it is not.
    """
    if balance not in BALANCES:
        hint, advice = did_you_mean(balance, BALANCES), f"choose one of {', '.join(BALANCES)}"
        raise RecipeError(f"balance - not known{hint} - {balance!r} - {advice}")
    return balance


def class_fractions(counts: np.ndarray, balance: str) -> np.ndarray:
    """Fraction of the draws that each class gets.

    Args:
        counts: Images of each class (K,); a class without images gets no draw.
        balance: See `BALANCES`.

    Returns:
        Fractions (K,), adding up to 1.

    Raises:
        RecipeError: When the balance is not known.

    >>> class_fractions(np.array([1, 9, 0]), "uniform"), class_fractions(np.array([1, 9]), "sqrt")
    (array([0.5, 0.5, 0. ]), array([0.25, 0.75]))
    """
    power = {"none": 1.0, "sqrt": 0.5, "uniform": 0.0}[check_balance(balance)]
    wanted = np.where(counts > 0, np.maximum(counts, 1.0) ** power, 0.0)
    return np.asarray(wanted / wanted.sum())


def balanced_order(
    targets: np.ndarray, balance: str, length: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Images of one epoch in random order, each class as often as its fraction says.

    That is exact up to one draw per class. Within a class no image comes again before all
    others have come.

    Args:
        targets: Class number of each image (N,).
        balance: See `BALANCES`.
        length: Draws in the epoch.
        random: Where the random numbers come from.

    Returns:
        Positions of the images (length,), and how often each had come before (length,).
    """
    edges = np.cumsum(class_fractions(np.bincount(targets), balance)) * length
    edges = np.append(np.minimum(edges[:-1], length), length)
    # One random offset rounds all quotas, so that they keep their sum and their mean.
    ends = np.floor(edges + random.random()).astype(np.int64)
    order, turn = [], []
    for label, quota in enumerate(np.diff(ends, prepend=0)):
        own = np.flatnonzero(targets == label)
        rounds = -(-quota // len(own)) if len(own) else 0
        drawn = [random.permutation(own) for _ in range(rounds)]
        order += [np.concatenate([*drawn, own[:0]])[:quota]]
        turn += [np.repeat(np.arange(rounds), len(own))[:quota]]
    shuffle = random.permutation(length)
    return np.concatenate(order)[shuffle], np.concatenate(turn)[shuffle]


def balance_weights(balance: str, targets: np.ndarray, classes: int) -> np.ndarray:
    """Weight of an image of each class that has the effect of drawing the classes so.

    The mean over the images is 1. `uniform` gives `N / (K n_c)`, which scikit-learn calls
    `balanced`, with N images, of which `n_c` in class c, and K classes that have images; `sqrt`
    gives `N / (sqrt(n_c) * sum of roots)`. A class without images weighs 1.

    Args:
        balance: See `BALANCES`.
        targets: Class number of each image (N,).
        classes: Number of classes.

    Returns:
        Weights (classes,), float64.

    >>> balance_weights("uniform", np.array([0, 0, 0, 1]), 2).round(3).tolist()
    [0.667, 2.0]
    """
    counts = np.bincount(targets, minlength=classes)
    fractions = class_fractions(counts, balance)
    return np.where(counts > 0, fractions * len(targets) / np.maximum(counts, 1), 1.0)


def class_weights(
    given: str | Mapping[str, float],
    targets: np.ndarray,
    class_names: Sequence[str],
    where: str = "class_weights",
) -> np.ndarray | None:
    """Weight of an image of each class in a loss.

    Args:
        given: `none`; `auto`, inverse to the number of images and 1 in the mean over the images;
            or weights by class name, taken as they are, 1 for classes not named.
        targets: Class number of each training image (N,).
        class_names: Class keys (K,), in the order of the numbers.
        where: Key path, for errors.

    Returns:
        Weights (K,) in float64, or None for `none`.

    Raises:
        RecipeError: When a name is not one of the classes; lists all such names.

    >>> class_weights({"dog": 3}, np.array([0, 1]), ["cat", "dog"]).tolist()
    [1.0, 3.0]
    """
    if isinstance(given, str):
        if given == "none":
            return None
        return balance_weights("uniform", targets, len(class_names))
    check_class_names(given, class_names, where)
    named = {normal(name): weight for name, weight in given.items()}
    return np.array([named.get(name, 1.0) for name in class_names], dtype=np.float64)


def check_class_names(
    given: str | Mapping[str, float], class_names: Sequence[str], where: str = "class_weights"
) -> None:
    """Refuse weights of classes that are not there.

    Raises:
        RecipeError: Lists all such names.
    """
    if isinstance(given, str):
        return
    known = first_few(class_names, 10)
    wrong = [
        f"{where}.{name} - not a class{did_you_mean(name, class_names)} - {weight} - "
        f"classes are: {known}"
        for name, weight in given.items()
        if normal(name) not in class_names
    ]
    if wrong:
        raise RecipeError("\n".join(wrong))
