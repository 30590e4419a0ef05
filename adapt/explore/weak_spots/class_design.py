"""How answers move when a class is added or taken away.

CLIP's authors saw that which classes a user offers decides how people are labelled (Radford et al.
2021, arXiv:2103.00020, section 7.1): with a class `child` added, far fewer images of young people
were put into classes of crime or of animals. This measures it on the user's own images.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapt.common.arrays import FloatArray
from adapt.data.labels.classes import ClassName
from adapt.errors import RecipeError, did_you_mean
from adapt.evaluation.metrics.intervals import proportion_interval
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.models.templates import class_prompts, resolve_templates

Content = dict[str, Any]
TEMPLATES = ("simple",)
"""Of the classes that are added."""


def text_logits(
    classifier: Classifier,
    features: Tensor,
    added: Sequence[str | ClassName],
    option: str = "--add",
) -> FloatArray:
    """Zero-shot logits (N, K + A) of the classes of a model and of further ones.

    Of a learned head too: its logits and those of a new class from text have no common scale.

    Args:
        classifier: Its text encoder reads the prompts of its classes, and the names of the others.
        features: Unit features (N, D).
        added: The A further classes.
        option: Where they were named, for the message.

    Raises:
        RecipeError: When the model has one of them already.
    """
    names = [name if isinstance(name, ClassName) else ClassName(name, name) for name in added]
    known = [name.key for name in names if name.key in classifier.class_names]
    if known:
        raise RecipeError(
            f"{option} - the model has this class already - {known[0]!r} - give another name"
        )
    prompts = [*classifier.prompts, *class_prompts(names, resolve_templates(list(TEMPLATES)))]
    with torch.inference_mode():
        weight = text_weights(classifier.backbone, prompts).float().cpu()
    return np.asarray((features @ weight.T).numpy(), np.float64)


def moves(
    before: FloatArray,
    after: FloatArray,
    names: tuple[Sequence[str], Sequence[str]],
    groups: Sequence[str] | None = None,
) -> Content:
    """Which answers change between two sets of classes.

    Args:
        before: Logits (N, K) of the first set.
        after: Logits (N, L) of the second set, of the same images.
        names: Of the classes of both sets.
        groups: Group of each image, to see whether one moves more than others.

    Returns:
        How many answers move, from where to where, and the fraction of each group, for JSON.

    >>> logits = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> more = np.hstack([logits, [[2.0], [0.5]]])
    >>> moves(logits, more, (["a", "b"], ["a", "b", "c"]))["pairs"]
    [['a', 'c', 1]]
    """
    first = [names[0][place] for place in before.argmax(1)]
    second = [names[1][place] for place in after.argmax(1)]
    moved = np.array([a != b for a, b in zip(first, second, strict=True)])
    pairs = Counter((a, b) for a, b in zip(first, second, strict=True) if a != b)
    return {
        "images": len(moved),
        "moved": int(moved.sum()),
        "pairs": [[*pair, count] for pair, count in pairs.most_common()],
        "groups": {} if groups is None else _by_group(moved, groups),
    }


def _by_group(moved: np.ndarray, groups: Sequence[str]) -> dict[str, Content]:
    rates = {}
    for group in sorted(set(groups)):
        own = moved[np.array([name == group for name in groups])]
        hits = int(own.sum())
        rates[group] = {
            "images": len(own),
            "moved": hits / len(own),
            "ci": proportion_interval(hits, len(own)),
        }
    return rates


def without(
    logits: FloatArray, names: Sequence[str], removed: Sequence[str]
) -> tuple[FloatArray, list[str]]:
    """Logits and names without some classes.

    Raises:
        RecipeError: When one is not there, or fewer than two would be left.
    """
    for name in removed:
        if name not in names:
            raise RecipeError(
                f"--remove - not a class{did_you_mean(name, names)} - {name!r} - give a class of "
                "the model"
            )
    kept = [place for place, name in enumerate(names) if name not in removed]
    if len(kept) < 2:
        raise RecipeError(f"--remove - too few classes left - {len(kept)} - remove fewer")
    return logits[:, kept], [names[place] for place in kept]
