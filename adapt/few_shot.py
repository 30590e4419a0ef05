"""Few-shot classification in the manner of scikit-learn: `fit`, `predict`, `partial_fit`."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from adapt.data.classes import ClassName, default_words
from adapt.data.images import open_image
from adapt.errors import DataError, RecipeError, did_you_mean
from adapt.methods.auto import Auto, feature_methods
from adapt.methods.base import get
from adapt.methods.ranking import Ranking
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.prediction import ImageLike
from adapt.training.support import Support

CLIP_SCALE = 100.0
"""exp(logit scale) of the CLIPs of OpenAI; what unit text features are multiplied by."""
BATCH = 64
Inputs = Sequence[ImageLike] | npt.ArrayLike


class FewShotClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A CLIP taught with a few images of each class, as a scikit-learn estimator.

    Images (paths, PIL images, arrays) are turned into features once, then a feature-space method
    fits a head. With `text_features` it takes features in place of images and needs no CLIP.

    Args:
        arch: Architecture, by its open_clip name.
        pretrained: Weights: an open_clip tag, a file, or `embedded`.
        method: `auto` (ranks all feature-space methods inside the support set), one of them by
            name, or `zero_shot`.
        settings: Hyper-parameters of the method.
        class_names: Words for the classes, by label; the labels themselves where not given.
        templates: Prompt templates, or names of sets of them.
        text_features: Directions (K, D) of the classes in the space of the features, one for each
            sorted label, of unit length (then they are multiplied by 100) or with exp(logit scale)
            as their length. `fit` and `predict` then take features (N, D).
        seed: Of what a method draws at random.

    Attributes:
        classes_: Sorted labels.
        ranking_: The ranking of `auto`; None for other methods.
        n_features_in_: Width D of the features.

    >>> random = np.random.default_rng(0)
    >>> text = np.eye(3)
    >>> features = np.repeat(text, 4, axis=0) + 0.1 * random.normal(size=(12, 3))
    >>> model = FewShotClassifier.from_features(text, method="gda")
    >>> model.fit(features, ["a"] * 4 + ["b"] * 4 + ["c"] * 4).predict(text).tolist()
    ['a', 'b', 'c']
    """

    def __init__(
        self,
        arch: str = "ViT-B-32",
        pretrained: str = "openai",
        method: str = "auto",
        settings: dict[str, Any] | None = None,
        class_names: dict[Any, str] | None = None,
        templates: list[str] | None = None,
        text_features: npt.ArrayLike | None = None,
        seed: int = 0,
    ) -> None:
        """Keep the settings as they are; `fit` checks them."""
        self.arch, self.pretrained = arch, pretrained
        self.method, self.settings = method, settings
        self.class_names, self.templates = class_names, templates
        self.text_features, self.seed = text_features, seed

    @classmethod
    def from_features(
        cls, text_features: npt.ArrayLike, method: str = "auto", **settings: Any
    ) -> "FewShotClassifier":
        """An estimator for features of your own.

        Args:
            text_features: See the class.
            method: See the class.
            settings: Hyper-parameters of the method.
        """
        return cls(method=method, settings=settings or None, text_features=text_features)

    def fit(self, X: Inputs, y: npt.ArrayLike) -> "FewShotClassifier":
        """Learn from images (or features) and their labels.

        Args:
            X: N images, or features (N, D).
            y: N labels.

        Raises:
            DataError: When images and labels do not fit, a feature is not finite, or there is one
                class only.
            RecipeError: When the method or one of its settings is not known.
        """
        labels, self._text = _labels(y), self.text_features
        self.classes_ = np.unique(labels)
        self._start = self._zero_shot()
        self._features = self._encode(X)
        self._targets = np.searchsorted(self.classes_, labels)
        return self._refit(len(labels))

    def partial_fit(
        self,
        X: Inputs,
        y: npt.ArrayLike,
        text_features: npt.ArrayLike | None = None,
    ) -> "FewShotClassifier":
        """Add images, of known classes or new ones, and fit again on all that was given so far.

        Args:
            X: More images, or features.
            y: Their labels.
            text_features: For an estimator on features: the directions of all sorted labels, when
                there are new ones.

        Raises:
            DataError: See `fit`; also when new classes have no direction.
        """
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        labels, known = _labels(y), self.classes_[self._targets]
        everything = np.concatenate([known, labels])
        if text_features is not None:
            self._text = text_features
        grown = np.union1d(self.classes_, labels)
        if len(grown) != len(self.classes_):
            self.classes_ = grown
            self._start = self._zero_shot()
        self._features = torch.cat([self._features, self._encode(X)])
        self._targets = np.searchsorted(self.classes_, everything)
        return self._refit(len(everything))

    def predict(self, X: Inputs) -> npt.NDArray[Any]:
        """The most probable label of each image."""
        places = self.decision_function(X).argmax(1)
        return np.asarray(self.classes_[places])

    def predict_proba(self, X: Inputs) -> npt.NDArray[np.float64]:
        """Probabilities (N, K), in the order of `classes_`."""
        logits = torch.from_numpy(self.decision_function(X)).double()
        return np.asarray(torch.softmax(logits, dim=1).numpy())

    def decision_function(self, X: Inputs) -> npt.NDArray[np.float32]:
        """Logits (N, K), in the order of `classes_`.

        Raises:
            NotFittedError: Before `fit`.
        """
        if not hasattr(self, "_head"):
            raise NotFittedError("FewShotClassifier - not fitted - no head - call fit first")
        with torch.inference_mode():
            return np.asarray(self._head(self._encode(X)).float().numpy())

    def to_classifier(self) -> Classifier:
        """The fitted model as a `Classifier`: to save as a bundle, evaluate or ship.

        Raises:
            RecipeError: When it was fitted on features, so that there is no image tower.
        """
        if self._text is not None:
            raise RecipeError(
                "to_classifier - no image tower - it was fitted on features - give arch and "
                "pretrained in place of text_features"
            )
        assert isinstance(self._start, Classifier)
        return self._start.with_learned_head(copy.deepcopy(self._head))

    def _refit(self, count: int) -> "FewShotClassifier":
        if count != len(self._features):
            given = f"{len(self._features)} images, {count} labels"
            raise DataError(f"fit - numbers differ - {given} - give one label for each image")
        if len(self.classes_) < 2:
            raise DataError(f"fit - one class - {self.classes_.tolist()} - give two or more")
        zero_shot = self._start.head.weight.detach().float()
        targets = torch.from_numpy(self._targets).long()
        names = tuple(map(str, self.classes_))
        support = Support(self._features[None], targets, zero_shot, None, self.seed, names)
        self.n_features_in_ = int(zero_shot.shape[1])
        self.ranking_: Ranking | None = None
        self._head = self._fitted(support)
        return self

    def _fitted(self, support: Support) -> nn.Linear | CacheHead:
        known = [*feature_methods(), "auto", "zero_shot"]
        if self.method not in known:
            hint = did_you_mean(self.method, known)
            raise RecipeError(
                f"method - no feature-space method - {self.method!r}{hint} - choose from "
                f"{', '.join(known)}"
            )
        try:
            chosen = get(self.method)(**(self.settings or {}))
        except (TypeError, ValueError) as error:
            raise RecipeError(
                f"settings - do not fit {self.method} - {error} - mend them"
            ) from error
        if self.method == "zero_shot":
            return linear_head(support.zero_shot)
        if isinstance(chosen, Auto):
            self.ranking_, best = chosen.ranked_head(support)
            return best
        head: nn.Linear | CacheHead = chosen.head(support)
        return head

    def _zero_shot(self) -> "Classifier | _TextHead":
        if self._text is not None:
            return _TextHead(self._text, len(self.classes_))
        words = self.class_names or {}
        names = [
            ClassName(str(label), words.get(label, default_words(str(label))))
            for label in self.classes_.tolist()
        ]
        return Classifier.from_clip(self.arch, self.pretrained, names, self.templates, self.seed)

    def _encode(self, inputs: Inputs) -> Tensor:
        """Unit features (N, D)."""
        if self._text is not None:
            return _unit_rows(inputs, self._start.head.weight.shape[1])
        assert isinstance(self._start, Classifier)
        backbone, parts = self._start.backbone, []
        items: list[ImageLike] = list(inputs)  # type: ignore[arg-type]
        with torch.inference_mode():
            for start in range(0, len(items), BATCH):
                images = [open_image(item) for item in items[start : start + BATCH]]
                pixels = torch.stack([backbone.preprocessing(image) for image in images])
                parts.append(backbone.encode_image(pixels).float())
        if not parts:
            raise DataError("images - empty - 0 given - give at least one")
        return torch.cat(parts)


class _TextHead:
    """The directions of the classes, where there is no CLIP."""

    def __init__(self, text_features: npt.ArrayLike, classes: int) -> None:
        text = torch.as_tensor(np.asarray(text_features, dtype=np.float32))
        if text.ndim != 2 or len(text) != classes or not torch.isfinite(text).all():
            raise DataError(
                f"text_features - do not fit - shape {tuple(text.shape)} for {classes} classes - "
                "give one finite row for each label, in sorted order"
            )
        lengths = text.norm(dim=1, keepdim=True)
        if float(lengths.min()) == 0:
            raise DataError("text_features - a row of zeros - length 0 - give a direction")
        unit = bool(((lengths - 1).abs() < 0.01).all())
        self.head = linear_head(F.normalize(text, dim=1) * CLIP_SCALE if unit else text)


def _labels(y: npt.ArrayLike) -> npt.NDArray[Any]:
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) == 0:
        given = f"shape {labels.shape}"
        raise DataError(f"labels - not one for each image - {given} - give a list of N labels")
    return labels


def _unit_rows(inputs: Inputs, width: int) -> Tensor:
    features = np.asarray(inputs, dtype=np.float32)
    if features.ndim != 2 or features.shape[1] != width:
        given = f"shape {features.shape}"
        raise DataError(f"features - wrong width - {given} - give (N, {width}), as text_features")
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(1))
        raise DataError(
            f"features - not finite - NaN or infinity in {len(rows)} rows, first {rows[0]} - "
            "remove or recompute them"
        )
    if len(features) == 0 or not (norms := np.linalg.norm(features, axis=1)).all():
        given = f"{len(features)} rows"
        raise DataError(f"features - a row of zeros, or none - {given} - give real features")
    return torch.from_numpy(features / norms[:, None])
