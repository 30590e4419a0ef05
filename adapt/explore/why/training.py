"""The training images of a model, as its encoder sees them, and a probe fitted on them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from adapt.common.arrays import FloatArray
from adapt.data.labels.label_sets import target_matrix
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from adapt.methods.features.influence import Influence
from adapt.methods.features.support import Support
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.training.features.encode import head_logits
from adapt.training.features.pixels import prepare
from adapt.training.features.store import FeatureStore
from adapt.training.settings import Runtime

WORTH_REFITS = 10**8
"""Numbers in features times classes up to which single images are left out for real."""


@dataclass
class TrainingSet:
    """Labelled images with the features of a model.

    Example:
        >>> from adapt.data.images import Images
        >>> images = Images.from_embedded("pictograms", "emoji", "train").subset(range(0, 600, 20))
        >>> model = Classifier.from_clip("adapt-icons-xs", "embedded", images.class_names)
        >>> training = TrainingSet.of(model, images)
        >>> near = training.nearest(training.features[4], training.targets[4], 1)
        >>> near[0][0], round(near[0][1], 3)
        (4, 1.0)
    """

    images: ImageList
    features: FloatArray
    """Unit features (N, D)."""
    targets: np.ndarray
    """Numbers of their classes among those of the model, (N,)."""
    classes: int
    """Number of classes K of the model."""
    said: np.ndarray
    """What the model answers for them, class numbers (N,)."""

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        images: ImageList,
        store: FeatureStore | None = None,
        label: int | None = None,
    ) -> "TrainingSet":
        """Encode the images.

        Args:
            classifier: The model.
            images: What it was trained on.
            store: Where features are kept.
            label: Where images have several labels, the number of one of the classes: the two
                classes are then images with it (0) and images without it (1).

        Raises:
            DataError: When a class is not one of the model's, or there are fewer than two.
        """
        targets = _targets(classifier, images, label)
        if len(set(targets.tolist())) < 2:
            raise DataError(
                f"{images.root} - too few classes - {images.class_names[:10]} - give training "
                "images of at least two, or with a label and without it"
            )
        runtime = Runtime()
        pixels = prepare(images, classifier.backbone.preprocessing, runtime)
        features = (store or FeatureStore()).features(classifier.backbone, pixels, runtime)
        logits = head_logits(classifier.head, features)
        classes = len(classifier.class_names) if label is None else 2
        said = logits.argmax(1) if label is None else _without(classifier, logits, label)
        return cls(images, features.double().numpy(), targets, classes, said)

    def nearest(self, feature: FloatArray, number: int, count: int) -> list[tuple[int, float]]:
        """The images of a class that are most like a feature: positions and cosines.

        Args:
            feature: Unit feature (D,).
            number: The class.
            count: At most so many.
        """
        rows = np.flatnonzero(self.targets == number)
        cosines = self.features[rows] @ feature
        order = np.argsort(-cosines, kind="stable")[:count]
        return [(int(rows[place]), float(cosines[place])) for place in order]

    @cached_property
    def probe(self) -> Influence:
        """A linear probe on these features, pulled to zero; its C chosen by cross-validation."""
        support = Support(
            torch.from_numpy(self.features).float()[None],
            torch.from_numpy(self.targets),
            torch.zeros(self.classes, self.features.shape[1]),
        )
        strength = LinearProbe(initialisation="zero").search(support)
        return Influence.fit(self.features, self.targets, self.classes, strength)

    def refitted_margin(
        self, row: int, feature: FloatArray, answer: int, rival: int
    ) -> float | None:
        """By how much the probe's margin of an image changes when a training image is left out.

        Args:
            row: The training image.
            feature: Unit feature (D,) of the image.
            answer: Class number.
            rival: Class number.

        Returns:
            None where the fit would take long.
        """
        if self.features.size * self.classes > WORTH_REFITS:
            return None
        kept = np.arange(len(self.targets)) != row
        probe = self.probe
        without = Influence.fit(
            self.features[kept], self.targets[kept], self.classes, probe.strength
        )
        margins = [
            float(logits[answer] - logits[rival])
            for logits in (without.logits(feature), probe.logits(feature))
        ]
        return margins[0] - margins[1]

    def agreement(self) -> float:
        """Fraction of the training images for which the probe answers as the model does."""
        return float((self.probe.logits(self.features).argmax(1) == self.said).mean())


def _targets(classifier: Classifier, images: ImageList, label: int | None) -> np.ndarray:
    names = classifier.class_names
    if label is None:
        return images.targets(names)
    marks = target_matrix(images.labels_of_each, names, images.paths)
    return np.asarray(marks[:, label] == 0, np.int64)


def _without(classifier: Classifier, logits: np.ndarray, label: int) -> np.ndarray:
    """1 where the model does not give the label."""
    odds = classifier.probabilities(torch.from_numpy(np.asarray(logits)))[:, label].numpy()
    thresholds = classifier.labelling.thresholds_of_classes or []
    return np.asarray(odds < thresholds[label], np.int64)
