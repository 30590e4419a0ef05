"""Why an image has a label, or has it not, where a model gives several: yes against no."""

from pathlib import Path

import numpy as np
import torch

from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError, did_you_mean
from adapt.explore.why.explain import Content, regions_of, training_of
from adapt.explore.why.settings import WhySettings
from adapt.explore.why.training import TrainingSet
from adapt.models.classifier import Classifier
from adapt.training.features.store import FeatureStore

YES, NO = 0, 1
NO_WORDS = "the prompts of a label and of its absence have a part: single words are not judged"


def explain_label(
    classifier: Classifier,
    image: str | Path,
    training: ImageList | None = None,
    settings: WhySettings | None = None,
    store: FeatureStore | None = None,
) -> Content:
    """Why an image has a label, or not: the two answers are the label and its absence.

    Training images, influence and regions are as in `explain`, of a task of two classes: images
    with the label against images without it.

    Args:
        classifier: A model that gives several labels per image, on the CPU.
        image: Path of a file.
        training: What it was trained on; without, nothing is said about training images.
        settings: Names the label; the most probable one without.
        store: Where features are kept.

    Returns:
        As `explain`, and `label` and `threshold`: the image has the label from that probability.

    Raises:
        ImageError: When the image cannot be read.
        RecipeError: When there is no such label, or a rival is named.
        DataError: When all training images have the label, or none has.
    """
    chosen = settings or WhySettings()
    resized = torch.from_numpy(classifier.predictor.pixels(image)[None])
    pixels = classifier.backbone.preprocessing.normalise_batch(resized)
    with torch.no_grad():
        feature = classifier.eval().features(pixels)
        logits = classifier.head(feature)
        odds = classifier.probabilities(logits)[0].numpy()
    number = _number(classifier, chosen, int(odds.argmax()))
    threshold = (classifier.labelling.thresholds_of_classes or [])[number]
    name, odd = classifier.class_names[number], float(odds[number])
    parts = (
        {"class": name, "probability": odd, "logit": float(logits[0, number])},
        {"class": f"not {name}", "probability": 1 - odd, "logit": 0.0},
    )
    answer = YES if odd >= threshold else NO
    sign = 1 if answer == YES else -1
    known = None if training is None else TrainingSet.of(classifier, training, store, number)
    order = np.argsort(-odds, kind="stable")[: chosen.top]
    return {
        "image": str(image),
        "label": name,
        "threshold": threshold,
        "answer": parts[answer],
        "rival": parts[1 - answer],
        "probabilities": {classifier.class_names[k]: float(odds[k]) for k in order},
        "training": training_of(known, feature[0].double().numpy(), answer, 1 - answer, chosen.top),
        "regions": regions_of(classifier, pixels, lambda own: sign * own[:, number], chosen.where),
        "words": NO_WORDS,
    }


def _number(classifier: Classifier, chosen: WhySettings, best: int) -> int:
    names = classifier.class_names
    if chosen.rival is not None:
        raise RecipeError(
            f"--rival - not where images have several labels - {chosen.rival!r} - a label is held "
            "against its absence: name it with --label"
        )
    if chosen.label is None:
        return best
    if chosen.label not in names:
        hint = did_you_mean(chosen.label, names)
        raise RecipeError(
            f"--label - not a class{hint} - {chosen.label!r} - choose one of the model's classes"
        )
    return names.index(chosen.label)
