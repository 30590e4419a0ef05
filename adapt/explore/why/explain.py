"""Why a model answered as it did: everything that `why.json` holds of one image."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapt.common.arrays import FloatArray
from adapt.common.words import listed
from adapt.errors import ModelError, RecipeError, did_you_mean
from adapt.explore.why.grad_cam import Margin, grad_cam
from adapt.explore.why.rollout import attention_rollout
from adapt.explore.why.sanity import Map, randomisation_test
from adapt.explore.why.settings import WhySettings
from adapt.explore.why.training import TrainingSet
from adapt.explore.why.words import word_effects
from adapt.models.classifier import Classifier

Content = dict[str, Any]
MAPS = ("grad_cam", "rollout")


def explain(
    classifier: Classifier,
    image: str,
    training: TrainingSet | None = None,
    settings: WhySettings | None = None,
) -> Content:
    """Why a model answers as it does for an image.

    Args:
        classifier: The model, on the CPU.
        image: Path of a file.
        training: What it was trained on; without, nothing is said about training images.
        settings: What is explained; the defaults without.

    Returns:
        Plain containers, for JSON. What was not measured holds the reason as a text.

    Raises:
        ImageError: When the image cannot be read.
        RecipeError: When the rival is not a class, or is the answer; or a label is named.
    """
    chosen = settings or WhySettings()
    if chosen.label is not None:
        raise RecipeError(
            f"--label - not where an image has one label - {chosen.label!r} - name a class to hold "
            "against the answer with --rival"
        )
    resized = torch.from_numpy(classifier.predictor.pixels(image)[None])
    pixels = classifier.backbone.preprocessing.normalise_batch(resized)
    with torch.no_grad():
        feature = classifier.eval().features(pixels)
        logits = classifier.head(feature)
        probabilities = classifier.probabilities(logits)[0].numpy()
    order = np.argsort(-probabilities, kind="stable")
    answer = int(order[0])
    second = int(order[1])
    if chosen.rival is not None:
        second = _rival(classifier, chosen.rival, answer)
    return {
        "image": image,
        "answer": _class(classifier, answer, probabilities, logits[0]),
        "rival": _class(classifier, second, probabilities, logits[0]),
        "probabilities": {
            classifier.class_names[number]: float(probabilities[number])
            for number in order[: chosen.top]
        },
        "training": training_of(training, feature[0].double().numpy(), answer, second, chosen.top),
        "regions": regions_of(
            classifier, pixels, lambda own: own[:, answer] - own[:, second], chosen.where
        ),
        "words": _words(classifier, feature[0], [answer, second]),
    }


def _class(
    classifier: Classifier, number: int, probabilities: FloatArray, logits: Tensor
) -> Content:
    return {
        "class": classifier.class_names[number],
        "probability": float(probabilities[number]),
        "logit": float(logits[number]),
    }


def _rival(classifier: Classifier, name: str, answer: int) -> int:
    names = classifier.class_names
    if name not in names or names.index(name) == answer:
        what = "is the answer" if name in names else f"not a class{did_you_mean(name, names)}"
        others = listed([other for place, other in enumerate(names) if place != answer][:20])
        raise RecipeError(f"--rival - {what} - {name!r} - choose one of {others}")
    return names.index(name)


def training_of(
    training: TrainingSet | None, feature: FloatArray, answer: int, rival: int, top: int
) -> Content | str:
    """The training images like an image, and those that pull its answer.

    Args:
        training: What the model was trained on.
        feature: Unit feature (D,) of the image.
        answer: Class number.
        rival: Class number.
        top: Most images of each kind.

    Returns:
        For `why.json`; a text where there are no training images.
    """
    if training is None:
        return "no training images were given"
    probe = training.probe
    logits = probe.logits(feature)
    changes = probe.on_margin(feature, answer, rival)
    return {
        "images": len(training.targets),
        "nearest": {
            kind: [
                _neighbour(training, row, cosine)
                for row, cosine in training.nearest(feature, number, top)
            ]
            for kind, number in (("answer", answer), ("rival", rival))
        },
        "probe": {
            "C": probe.strength,
            "margin": float(logits[answer] - logits[rival]),
            "agrees": bool(logits.argmax() == answer),
            "agreement": training.agreement(),
        },
        "pulls": {
            kind: _pulls(training, feature, changes, sign, (answer, rival), top)
            for kind, sign in (("answer", -1), ("rival", 1))
        },
    }


def _pulls(
    training: TrainingSet,
    feature: FloatArray,
    changes: FloatArray,
    sign: int,
    classes: tuple[int, int],
    top: int,
) -> list[Content]:
    """The training images that pull most to a side, by what a fit without them says."""
    entries = [
        {
            **_image(training, row),
            "change": float(changes[row]),
            "refitted": training.refitted_margin(row, feature, *classes),
        }
        for row in _strongest(sign * changes, top)
    ]
    return sorted(entries, key=lambda entry: -sign * (entry["refitted"] or entry["change"]))


def _strongest(values: FloatArray, top: int) -> list[int]:
    """Positions of the largest values that are above zero."""
    order = np.argsort(-values, kind="stable")[:top]
    return [int(row) for row in order if values[row] > 0]


def _image(training: TrainingSet, row: int) -> Content:
    images = training.images
    return {"row": row, "path": images.relative(row), "label": images.labels[row]}


def _neighbour(training: TrainingSet, row: int, cosine: float) -> Content:
    return {**_image(training, row), "cosine": cosine}


def regions_of(
    classifier: Classifier, pixels: Tensor, margin: Margin, asked: bool
) -> Content | str:
    """Maps of the regions that matter, each with its randomisation test.

    Args:
        classifier: The model, on the CPU.
        pixels: One normalised image (1, 3, H, W).
        margin: What is explained, from logits (B, K) to numbers (B,).
        asked: Whether they are wanted.

    Returns:
        By name, a map or why there is none; a text where they are not wanted.
    """
    if not asked:
        return "it was not asked for"

    kinds: dict[str, Map] = {
        "grad_cam": lambda model: grad_cam(model, pixels, margin),
        "rollout": lambda model: attention_rollout(model, pixels),
    }
    return {name: _map(classifier, kind) for name, kind in kinds.items()}


def _map(classifier: Classifier, kind: Map) -> Content | str:
    try:
        regions = kind(classifier)
    except ModelError as error:
        return str(error)
    return {"map": regions.tolist(), "randomised": randomisation_test(classifier, kind)}


def _words(classifier: Classifier, feature: Tensor, classes: Sequence[int]) -> list[Content] | str:
    if not classifier.head_from_text:
        return "the head was learned from images: no word of a prompt decides"
    return [asdict(effect) for effect in word_effects(classifier, feature, list(classes))]
