"""Further classes beside a model's own: how often each group is answered with one of them.

Radford et al. 2021 (arXiv:2103.00020, section 7.1) put words of crime and of animals beside the
classes of FairFace (Karkkainen and Joo, arXiv:1908.04913) and counted who was given them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.cache import cache_folder
from adapt.common.typed import resolve_path
from adapt.data.labels.classes import ClassName, read_classes
from adapt.data.labels.naming import given_classes
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, RecipeError
from adapt.explore.audit.measures import MODEL, START, Family, gaps_to_the_rest, rate
from adapt.explore.audit.settings import AuditSettings
from adapt.explore.weak_spots.class_design import text_logits
from adapt.export.load import Loaded
from adapt.models.building.timm_images import has_text
from adapt.models.classifier import Classifier
from adapt.models.penultimate import PROJECTED
from adapt.training.features.pixels import prepare
from adapt.training.features.store import FeatureStore
from adapt.training.settings import Runtime

Content = dict[str, Any]
ANY = "(any)"
"""Any of the further classes."""
TEXT = ".txt"


def read_extra(path: str | Path) -> list[ClassName]:
    """Classes from a file: one a line (`.txt`, `#` begins a comment), or YAML as `data.classes`.

    Args:
        path: The file.

    Raises:
        DataError: When it cannot be read, is empty, or two classes are equal.
    """
    place = resolve_path(path)
    if place.suffix.lower() != TEXT:
        return list(read_classes(place).values())
    try:
        text = place.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} - cannot be read - {error} - give a text file") from error
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    names = [line for line in lines if line]
    if not names:
        raise DataError(f"{path} - no classes - {len(lines)} lines - write one class a line")
    return given_classes(names)


def check_texts(model: Loaded, where: str) -> Classifier:
    """The model, if its text encoder can name further classes.

    Args:
        model: A bundle or export.
        where: What it was opened from, for the message.

    Raises:
        RecipeError: When it has no text encoder, or its head does not see what texts are compared
            with.
    """
    if not isinstance(model, Classifier):
        lacks = "an export has no text encoder"
    elif not has_text(model.backbone.spec.arch):
        lacks = f"{model.backbone.spec.arch} has no text encoder"
    elif model.backbone.features != PROJECTED:
        lacks = "its features are not in the space of the texts"
    else:
        return model
    raise RecipeError(
        f"--extra-classes - needs a text encoder - {where}: {lacks} - give a bundle with both "
        "encoders, or leave it out"
    )


def answers_with(
    classifier: Classifier, images: ImageList, extra: Sequence[ClassName]
) -> list[str]:
    """The answer for each image, zero-shot, among the classes of a model and further ones.

    Of a learned head too: its logits and those of a new class from text have no common scale.

    Args:
        classifier: Both its encoders are used.
        images: The images.
        extra: The further classes.

    Raises:
        RecipeError: When the model has one of them already.
    """
    runtime, store = Runtime(), FeatureStore(cache_folder("features"))
    pixels = prepare(images, classifier.backbone.preprocessing, runtime)
    logits = text_logits(
        classifier, store.features(classifier.backbone, pixels, runtime), extra, "--extra-classes"
    )
    names = [*classifier.class_names, *(name.key for name in extra)]
    return [names[place] for place in logits.argmax(axis=1)]


def extra_rates(
    answers: Mapping[str, Sequence[str]],
    columns: Mapping[str, Sequence[str]],
    extra: Sequence[str],
    settings: AuditSettings,
) -> tuple[dict[str, list[Content]], Content]:
    """How often each group is answered with each further class, ready for JSON.

    Args:
        answers: Of `model` and, where it is known, `start`: N answers.
        columns: The group of each image, N values by column.
        extra: Keys of the further classes.
        settings: When a group is judged, and a gap is clear.

    Returns:
        By column the rows of every class, and of any of them, in every group; and the number of
        tests with the rates over all images. Only the model is tested.
    """
    family, rows = Family(), dict[str, list[Content]]()
    kinds = {name: frozenset([name]) for name in extra} | {ANY: frozenset(extra)}
    hits = {
        side: {name: np.array([answer in kind for answer in own]) for name, kind in kinds.items()}
        for side, own in answers.items()
    }
    for column, values in columns.items():
        own = np.array(values, dtype=object)
        masks = {name: own == name for name in dict.fromkeys(sorted(values))}
        rows[column] = [row for name in kinds for row in _rows(name, hits, masks, settings, family)]
    family.close(settings.level, settings.correction)
    overall = {
        name: {
            side: rate(int(counted[name].sum()), len(counted[name]))
            for side, counted in hits.items()
        }
        for name in kinds
    }
    return rows, {"classes": list(extra), "tests": len(family.tests), "overall": overall}


def _rows(
    name: str,
    hits: Mapping[str, Mapping[str, np.ndarray]],
    masks: Mapping[str, np.ndarray],
    settings: AuditSettings,
    family: Family,
) -> list[Content]:
    counted = hits[MODEL][name]
    counts = [(int(counted[own].sum()), int(own.sum())) for own in masks.values()]
    gaps = gaps_to_the_rest(counts, settings.min_images, family)
    before = hits[START][name] if START in hits else None
    return [
        {
            "class": name,
            "group": group,
            "n": images,
            "small": images < settings.min_images,
            MODEL: rate(answered, images),
            START: None if before is None else rate(int(before[own].sum()), images),
            "gap": gap,
        }
        for (group, own), (answered, images), gap in zip(masks.items(), counts, gaps, strict=True)
    ]
