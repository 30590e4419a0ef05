"""What the words of captions say of images, as a linear map, and learning to say the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapt.common.arrays import FloatArray
from adapt.errors import DataError
from adapt.models.classifier import Classifier
from adapt.training.objectives import Batch, Outcome, at_least_single, in_parts
from adapt.training.pairs.objective import Captions, PairObjective
from adapt.training.processes.batches import counted

WORDS = "words"
PENALTIES = (3.0, 10.0, 30.0, 100.0)
PARTS = 3
"""Of the images, each of which is held out once to choose the penalty."""
WORD = r"(?u)\b\w+\b"


@dataclass(frozen=True)
class WordMap:
    """A ridge regression from the words of a caption to the unit features of its image.

    A caption counts as the set of its words, each by how rare it is, at unit length. From the
    features their mean is subtracted, which all images share; so that they can be compared with
    features as they are, directions are orthogonal to it.
    """

    regression: Any = field(repr=False)
    """A fitted pipeline of scikit-learn, from texts to directions (M, D)."""
    mean: FloatArray = field(repr=False)
    """Unit direction of the mean feature (D,)."""

    @classmethod
    def fit(cls, captions: Captions, features: Tensor) -> "WordMap":
        """Choose the penalty on held-out images by the mean cosine, then fit all of them.

        Args:
            captions: Of each image, one or more.
            features: Unit features of the images (N, D).

        Raises:
            DataError: When no caption has a word, or there are fewer than 3 images.
        """
        # Takes half a second to import, and only this kind of training needs it.
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import GridSearchCV, GroupKFold
        from sklearn.pipeline import make_pipeline

        texts = [text for own in captions for text in own]
        owner = np.repeat(np.arange(len(captions)), [len(own) for own in captions])
        known = features.double().cpu().numpy()
        mean = known.mean(axis=0)
        if len(known) < PARTS:
            what = f"too few images for loss: {WORDS}"
            raise DataError(f"data.train - {what} - {len(known)} - give {PARTS} or more")
        counted_words = TfidfVectorizer(binary=True, token_pattern=WORD)
        search = GridSearchCV(
            make_pipeline(counted_words, Ridge()),
            {"ridge__alpha": PENALTIES},
            scoring=_mean_cosine,
            cv=GroupKFold(PARTS),
        )
        try:
            search.fit(texts, (known - mean)[owner], groups=owner)
        except ValueError as error:
            if "vocabulary" not in str(error):
                raise
            raise DataError(
                f"data.train - captions without words - {texts[0]!r} - loss: {WORDS} needs words"
            ) from error
        return cls(search.best_estimator_, _unit(mean))

    def directions(self, texts: Sequence[str]) -> Tensor:
        """Unit directions (M, D), float32; zero for a text without a word that is known."""
        words = self.regression[:-1].transform(list(texts))
        said = self.regression[-1].predict(words)
        said[words.getnnz(axis=1) == 0] = 0  # the intercept alone says nothing of an image
        return torch.from_numpy(_unit(said - np.outer(said @ self.mean, self.mean))).float()


@dataclass
class WordObjective(PairObjective):
    """One minus the cosine of what the text encoder and a linear map say of a caption.

    Words that are left out make ever new captions, for which the map has an answer too: so a text
    encoder learns the words and not a few captions by heart. The images take part in the map alone.
    """

    word_map: WordMap | None = None
    """Needs fitting before the first step."""

    def __call__(self, classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        """Loss of a batch, and the scaled cosines of its texts with its directions (b, b)."""
        assert self.word_map is not None
        texts, _, _ = self.captioned(classifier, batch, generator)
        encoded = in_parts(classifier.backbone.encode_text, texts, self.parts)
        with torch.autocast(batch["image"].device.type, enabled=False):
            own = at_least_single(encoded)
            similarity = own @ self.word_map.directions(texts).to(own).T
            size = counted(batch)
            cosines = similarity.diagonal()[:size]
            # A process without an image in the last step: its gradients are zero.
            loss = (1 - cosines).mean() if size else own.sum() * 0
            scaled = at_least_single(classifier.backbone.scale) * similarity
            return loss, (scaled[:size],)


def _mean_cosine(model: Any, texts: Sequence[str], wanted: FloatArray) -> float:
    return float((_unit(model.predict(texts)) * _unit(wanted)).sum(axis=1).mean())


def _unit(rows: FloatArray) -> FloatArray:
    scaled: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled
