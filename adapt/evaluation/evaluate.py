"""Scores of classifiers on named sets of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapt.common.content import text_hash
from adapt.data.sources.image_list import ImageList
from adapt.errors import WeightsError
from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.evaluation.metrics.intervals import WILSON
from adapt.evaluation.metrics.masking import mask_absent
from adapt.evaluation.metrics.scores import score
from adapt.evaluation.several_labels.score import ranking_scores
from adapt.models.classifier import Classifier
from adapt.report.displays.html import html_table
from adapt.report.record.words import percent, span
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.settings import Runtime

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Metrics = dict[str, Any]
MAP = "mAP"


class Scores(dict[str, dict[str, Metrics]]):
    """Metrics by model and set, as a mapping that a notebook shows as a table."""

    def plot(self) -> "Figure":
        """Accuracy with its interval, or mAP, by set and model; needs matplotlib."""
        from adapt.report.figures.displays.plots import scores_figure

        return scores_figure(self)

    def _repr_html_(self) -> str:
        """A table for notebooks: accuracy and its 95 % interval; mAP where labels are several."""
        several = any(MAP in own for models in self.values() for own in models.values())
        caption = MAP if several else "Accuracy with its 95 % interval"
        sets = list(dict.fromkeys(name for own in self.values() for name in own))
        rows = [
            [model, *(_cell(own[name]) if name in own else "" for name in sets)]
            for model, own in self.items()
        ]
        return html_table(caption, ["model", *sets], rows)


def _cell(own: Metrics) -> str:
    name = MAP if MAP in own else "accuracy"
    bounds = span(own.get(f"{name}_ci"))
    return f"{percent(own.get(name))} ({bounds})" if bounds else percent(own.get(name))


@dataclass
class Split:
    """A named set made ready to be scored by several models."""

    name: str
    images: ImageList
    pixels: Pixels
    """What was decoded for one model is kept for the next while memory allows."""
    targets: np.ndarray
    rows: np.ndarray | None = None
    """Of a part: its positions in the whole."""

    @classmethod
    def read(
        cls, name: str, images: ImageList, classifier: Classifier, runtime: Runtime
    ) -> "Split":
        """Number the class of every image as the classifier does; pixels are read when needed.

        Raises:
            DataError: When a class is not known to the classifier.
        """
        targets = images.targets(classifier.class_names)
        pixels = prepare(images, classifier.backbone.preprocessing, runtime, keep=True)
        return cls(name, images, pixels, targets)

    def subset(self, rows: np.ndarray) -> "Split":
        """The images at these positions, with the pixels of the whole."""
        pixels = self.pixels.subset(rows.tolist())
        return Split(self.name, self.images.subset(rows), pixels, self.targets[rows], rows)

    def rows_of(self, whole: np.ndarray) -> np.ndarray:
        """The rows of this part in an array of the whole."""
        return whole if self.rows is None else whole[self.rows]

    def masked(self, logits: np.ndarray) -> np.ndarray:
        """Logits in which classes that this set lacks cannot win; see `mask_absent`.

        Where images have several labels, classes do not compete, and nothing changes.
        """
        if self.targets.ndim == 2:
            return logits
        return mask_absent(logits, self.targets).logits


def sample_of(keys: Sequence[str], most: int) -> np.ndarray:
    """Positions, ascending, of a fixed sample of images: it depends on what they show alone.

    Args:
        keys: The content of each image, as a hash.
        most: Size of the sample; all where there are no more.

    >>> sample_of(["a", "b", "c"], 5).tolist(), len(sample_of(["a", "b", "c"], 2))
    ([0, 1, 2], 2)
    """
    if len(keys) <= most:
        return np.arange(len(keys))
    # Hashed again: splits were drawn by the hash of the content itself.
    order = sorted(range(len(keys)), key=lambda row: (text_hash(f"sample {keys[row]}"), row))
    return np.sort(order[:most])


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities of logits divided by the temperature, rows in float64.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    return torch.softmax(
        torch.from_numpy(np.asarray(logits, np.float64)) / temperature, dim=-1
    ).numpy()


def metrics(
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float = 1.0,
    reference: np.ndarray | None = None,
    interval: str = WILSON,
) -> Metrics:
    """All scores of one set, with their 95 % intervals; see `score`.

    Args:
        logits: Shape (N, K).
        targets: True class numbers, shape (N,). Of several labels, 0 or 1 for each class (N, K):
            then what needs no threshold is scored, see `ranking_scores`.
        temperature: What the logits are divided by before the softmax.
        reference: Logits of the model to compare with on the same images; adds `difference`.
        interval: Of proportions; see `proportion_interval`.
    """
    if targets.ndim == 2:
        return ranking_scores(logits, targets)
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    result: Metrics = dict(score(scaled, targets, interval))
    if reference is not None:
        right, before = logits.argmax(1) == targets, reference.argmax(1) == targets
        result["difference"] = {"accuracy": dict(paired_difference(right, before))}
    return result


def evaluate(
    models: dict[str, Classifier],
    evals: dict[str, ImageList],
    runtime: Runtime | None = None,
    interval: str = WILSON,
) -> Scores:
    """Score every model on every named set.

    A set with some of the classes is scored on these: the others cannot be answered. All models
    must share preprocessing and class names, as models of one start do. The first model
    is the reference: the others get a paired `difference` to it.

    Args:
        models: Classifiers by name.
        evals: Sets of labelled images by name.
        runtime: Device, batch size, workers.
        interval: Of proportions such as the accuracy: `wilson` or `clopper_pearson`.

    Returns:
        `scores[model][eval]`: a mapping with `n`, `accuracy`, `accuracy_ci`, `balanced_accuracy`,
        `nll`, `ece`, `brier` (each with its `_ci`), `undefined` and `difference`; of several labels
        per image `n` and `mAP`.

    Raises:
        DataError: When a set has a class the models do not know.
        WeightsError: When the models differ in their classes or in the order of them.
    """
    runtime = runtime or Runtime()
    orders = {name: model.class_names for name, model in models.items()}
    for name, order in orders.items():
        if order != next(iter(orders.values())):
            raise WeightsError(
                f"{name} - other classes than {next(iter(orders))} - {order[:5]} - evaluate it "
                "alone"
            )
    scores = Scores({name: {} for name in models})
    for name, images in evals.items():
        split, reference = None, None
        for model_name, model in models.items():
            if split is None or model.backbone.preprocessing != split.pixels.preprocessing:
                split = Split.read(name, images, model, runtime)
            logits = split.masked(predict_logits(model, split.pixels, runtime))
            scores[model_name][name] = metrics(
                logits, split.targets, model.temperature, reference, interval
            )
            reference = logits if reference is None else reference
    return scores
