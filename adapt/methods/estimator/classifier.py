"""Few-shot classification in the manner of scikit-learn: `fit`, `predict`, `partial_fit`."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

from adapt.errors import DataError, RecipeError, WeightsError
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.methods.auto.method import Auto
from adapt.methods.auto.mixture import Mixture
from adapt.methods.auto.out_of_fold import out_of_fold
from adapt.methods.auto.ranking import Ranking
from adapt.methods.estimator.encoded import Inputs, TextHead, encode, stacked
from adapt.methods.estimator.inputs import (
    name_labels,
    read_labels,
    read_method,
    read_seed,
    read_words,
    refusal,
)
from adapt.methods.estimator.saved import PARAMETERS, Fitted, read_fitted, write_fitted
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.support import Support
from adapt.methods.heads.zero_shot import ZeroShot
from adapt.models.backbones import load_backbone
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.heads import check_read, linear_head, text_weights
from adapt.models.penultimate import PROJECTED
from adapt.models.templates import class_prompts, resolve_templates

NESTED = "settings__"
Head = nn.Linear | CacheHead


class FewShotClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A CLIP taught with a few images of each class, as a scikit-learn estimator.

    Images (paths, PIL images, arrays) are turned into features once, then a feature-space method
    fits a head. With `text_features` it takes features in place of images and needs no CLIP.

    Every method sees one view of each image, also those that take more by default elsewhere, and
    no val images: `views` above 1 and `select_on_val` are refused. A call of `fit` or `partial_fit`
    that fails leaves the estimator as it was.

    Args:
        arch: Architecture, by its open_clip name.
        pretrained: Weights: an open_clip tag, a file, or `embedded`.
        method: `auto` (ranks all feature-space methods inside the support set), one of them by
            name, or `zero_shot`.
        settings: Hyper-parameters of the method; `set_params` and a grid search also take each as
            `settings__name`.
        class_names: Words for the classes, by label; the labels themselves where not given. Each
            key must be a label: words of classes to come are set before `partial_fit`.
        templates: Prompt templates, or names of sets of them.
        text_features: Directions (K, D) of the classes in the space of the features, one for each
            sorted label, of unit length (then they are multiplied by 100) or with exp(logit scale)
            as their length. `fit` and `predict` then take features (N, D), and there are no
            prompts: words and templates play no part.
        seed: Of what a method draws at random.

    Attributes:
        classes_: Sorted labels.
        ranking_: The ranking of `auto`; None for other methods.
        temperature_: What probabilities are softened by, fitted on logits of support images from
            heads that had not seen them; 1 where no class has two images.
        n_features_in_: Width D of the features.

    >>> random = np.random.default_rng(0)
    >>> text = np.eye(3)
    >>> features = np.repeat(text, 4, axis=0) + 0.1 * random.normal(size=(12, 3))
    >>> model = FewShotClassifier.from_features(text, method="gda")
    >>> model.fit(features, ["a"] * 4 + ["b"] * 4 + ["c"] * 4).predict(text).tolist()
    ['a', 'b', 'c']
    """

    classes_: npt.NDArray[Any]
    ranking_: Ranking | None
    temperature_: float
    n_features_in_: int
    _start: "Classifier | TextHead"
    _features: Tensor
    _targets: npt.NDArray[np.int64]
    _head: Head

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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Settings by name; with `deep` also each hyper-parameter given, as `settings__name`."""
        params: dict[str, Any] = super().get_params(deep=False)
        given = self.settings.items() if deep and isinstance(self.settings, dict) else ()
        return params | {f"{NESTED}{name}": value for name, value in given}

    def set_params(self, **params: Any) -> "FewShotClassifier":
        """Set some; `settings__name` sets one hyper-parameter and keeps the others.

        >>> FewShotClassifier(settings={"beta": 1.0}).set_params(settings__alpha=2.0).settings
        {'beta': 1.0, 'alpha': 2.0}
        """
        nested = {k.removeprefix(NESTED): v for k, v in params.items() if k.startswith(NESTED)}
        super().set_params(**{k: v for k, v in params.items() if not k.startswith(NESTED)})
        if nested:
            self.settings = {**(self.settings or {}), **nested}
        return self

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
            y: N labels, which can be sorted: all text, or all numbers.

        Raises:
            DataError: When images and labels do not fit, a feature is not finite, a label is
                missing, or there is one class only.
            RecipeError: When the method or one of its settings is not known or has no effect here,
                or `class_names` has a key that is no label.
        """
        return self._learn(X, read_labels(y), self.text_features)

    def partial_fit(
        self,
        X: Inputs,
        y: npt.ArrayLike,
        text_features: npt.ArrayLike | None = None,
    ) -> "FewShotClassifier":
        """Add images, of known classes or new ones, and fit again on all that was given so far.

        The image encoder stays the one of `fit`.

        Args:
            X: More images, or features.
            y: Their labels.
            text_features: For an estimator on features: the directions of all sorted labels, from
                now on; needed when there are new ones.

        Raises:
            DataError: See `fit`; also when new classes have no direction.
            RecipeError: See `fit`; also for `text_features` after a fit on images.
        """
        if not hasattr(self, "_head"):
            text = self.text_features if text_features is None else text_features
            return self._learn(X, read_labels(y), text)
        if text_features is not None and isinstance(self._start, Classifier):
            raise RecipeError(
                "text_features - fitted on images - directions of classes - leave them out: words "
                "of new classes go into class_names"
            )
        return self._learn(X, read_labels(y), text_features, self._start)

    def predict(self, X: Inputs) -> npt.NDArray[Any]:
        """The most probable label of each image."""
        places = self._logits(X).argmax(1)
        return np.asarray(self.classes_[places])

    def predict_proba(self, X: Inputs) -> npt.NDArray[np.float64]:
        """Probabilities (N, K), in the order of `classes_`: softmax of logits / `temperature_`."""
        logits = torch.from_numpy(self._logits(X)).double()
        return np.asarray(torch.softmax(logits / self.temperature_, dim=1).numpy())

    def decision_function(self, X: Inputs) -> npt.NDArray[np.float32]:
        """Logits (N, K), in the order of `classes_`; of two classes the second's minus the first's.

        The latter has the shape (N,), as scikit-learn wants it.

        Raises:
            NotFittedError: Before `fit`.
        """
        logits = self._logits(X)
        return logits if logits.shape[1] > 2 else np.asarray(logits[:, 1] - logits[:, 0])

    def to_classifier(self) -> Classifier:
        """The fitted model as a `Classifier`: to save as a bundle, evaluate or ship.

        Raises:
            NotFittedError: Before `fit`.
            RecipeError: When it was fitted on features, so that there is no image encoder.
        """
        self._check_fitted()
        if not isinstance(self._start, Classifier):
            raise RecipeError(
                "to_classifier - no image encoder - it was fitted on features - give arch and "
                "pretrained in place of text_features"
            )
        shipped = self._start.with_learned_head(copy.deepcopy(self._head))
        return shipped.with_temperature(self.temperature_)

    def save(self, folder: str | Path) -> Path:
        """Write the fitted estimator as safetensors and JSON, support features included.

        Args:
            folder: Where to; made when missing. It may hold an earlier one, and nothing else.

        Raises:
            NotFittedError: Before `fit`.
            BundleError: When it cannot be written, or does not come back as it is.
        """
        self._check_fitted()
        start = self._start
        clip = start if isinstance(start, Classifier) else None
        zero_shot = start.head.weight.detach().float()
        fitted = Fitted(
            {name: getattr(self, name) for name in PARAMETERS},
            self.classes_,
            self.ranking_,
            self.temperature_,
            clip,
            zero_shot,
            self._features,
            self._targets,
            self._head,
        )
        return write_fitted(Path(folder), fitted)

    @classmethod
    def load(cls, folder: str | Path) -> "FewShotClassifier":
        """The estimator that `save` wrote: it predicts, and `partial_fit` goes on from there.

        Raises:
            BundleError: When it is not one, or a file is missing, altered or damaged.
        """
        fitted = read_fitted(Path(folder))
        other = cls(**fitted.parameters)
        other.classes_, other.ranking_ = fitted.classes, fitted.ranking
        other.temperature_ = fitted.temperature
        other.n_features_in_ = int(fitted.features.shape[1])
        other._start = fitted.start or TextHead.from_weight(fitted.zero_shot)
        other._features, other._targets = fitted.features, fitted.targets
        other._head = fitted.head
        return other

    def _check_fitted(self) -> None:
        if not hasattr(self, "_head"):
            raise NotFittedError("FewShotClassifier - not fitted - no head - call fit first")

    def _logits(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        self._check_fitted()
        with torch.inference_mode():
            logits = self._head(encode(self._start, inputs)).float()
        if broken := (~torch.isfinite(logits).all(1)).nonzero().flatten().tolist():
            raise WeightsError(
                f"predict - the model gives no numbers - {len(broken)} inputs, first {broken[0]} - "
                "they are NaN or infinite: get the weights again"
            )
        return np.asarray(logits.numpy())

    def _learn(
        self,
        inputs: Inputs,
        labels: npt.NDArray[Any],
        text: npt.ArrayLike | None,
        before: "Classifier | TextHead | None" = None,
    ) -> "FewShotClassifier":
        """Fit on these images and those of `before`; nothing is kept until all has gone well."""
        count, seed = len(labels), read_seed(self.seed)
        if before is not None:
            labels = read_labels([*self.classes_[self._targets], *labels])
        classes = np.unique(labels)
        names = name_labels(classes)
        method = read_method(self.method, self.settings, names)
        start = self._start_for(names, text, before)
        if isinstance(method, HeadMethod) and isinstance(start, Classifier):
            start = method.encoded(start)
        elif getattr(method, "features", PROJECTED) != PROJECTED:
            raise RecipeError(
                f"settings.features - features are given already - {method.features!r} - leave it "
                "out"
            )
        features = encode(start, inputs)
        if count != len(features):
            given = f"{len(features)} images, {count} labels"
            raise DataError(f"fit - numbers differ - {given} - give one label for each image")
        if before is not None:
            features = stacked(self._features, features)
        targets = np.searchsorted(classes, labels)
        zero_shot = start.head.weight.detach().float()
        numbers = torch.from_numpy(targets).long()
        support = Support(features[None], numbers, zero_shot, None, seed, tuple(names.values()))
        ranking, head = _fitted(self.method, method, support)
        temperature = _temperature(support, method, ranking)

        self.classes_, self.ranking_, self.temperature_ = classes, ranking, temperature
        self.n_features_in_ = int(features.shape[1])
        self._start, self._features, self._targets, self._head = start, features, targets, head
        return self

    def _start_for(
        self,
        names: dict[Any, str],
        text: npt.ArrayLike | None,
        before: "Classifier | TextHead | None",
    ) -> "Classifier | TextHead":
        """What says zero-shot; the one before as long as nothing in it changes."""
        named, keys = read_words(self.class_names, names), list(names.values())
        if text is not None:
            return TextHead(text, len(names))
        if isinstance(before, TextHead):
            same = before.head.out_features == len(names)
            return before if same else TextHead(before.head.weight, len(names))
        prompts = class_prompts(named, resolve_templates(self.templates or ["simple"]))
        if before is None:
            backbone = load_backbone(self.arch, self.pretrained, int(self.seed))
        elif (before.class_names, before.prompts) == (keys, prompts) and (
            before.backbone.features == PROJECTED
        ):
            return before
        else:
            backbone = before.backbone.with_features(PROJECTED)
        with torch.no_grad():
            check_read(backbone, keys, prompts)
            head = linear_head(text_weights(backbone, prompts))
        return Classifier(backbone, head, keys, prompts).eval()


def _fitted(name: str, method: Any, support: Support) -> tuple[Ranking | None, Head]:
    """The ranking, where there is one, and the head."""
    if isinstance(method, ZeroShot):
        return None, linear_head(support.zero_shot)
    try:
        if isinstance(method, Auto):
            return method.ranked_head(support)
        head: Head = method.head(support)
    except DataError:
        raise
    except ValueError as error:
        raise refusal(name, error) from error
    return None, head


def _temperature(support: Support, method: Any, ranking: Ranking | None) -> float:
    """That makes out-of-fold logits as sure as they are right; 1 where there are none."""
    if ranking is not None:
        answers = ranking.answers
    elif isinstance(method, Mixture):
        answers = method.held_out(support)
    else:
        answers = out_of_fold(support, None if isinstance(method, ZeroShot) else method)
    return 1.0 if answers is None else fit_temperature(*(part.numpy() for part in answers))
