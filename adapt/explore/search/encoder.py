"""What a model makes of the parts of a question: unit features in the space of the index."""

import textwrap
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.common.arrays import SingleArray
from adapt.common.cache import cache_folder
from adapt.common.content import text_hash
from adapt.common.files import json_text
from adapt.common.progress import track
from adapt.common.words import first_few
from adapt.data.sources.captions.pairs import without_classes
from adapt.errors import DataError, RecipeError, did_you_mean
from adapt.explore.search.query import Query
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.models.heads import cut_captions, filling, head_name, text_weights
from adapt.models.penultimate import PROJECTED
from adapt.models.prediction.inputs import ImageLike
from adapt.predictions.opening import OpenModel
from adapt.training.features.store import FeatureStore

TEXTS = 1024
"""Captions that are encoded between two reports of progress."""


@dataclass(frozen=True)
class QueryEncoder:
    """Encodes images as `adapt embed` did, and texts as the text encoder of the same model does.

    A bundle whose text encoder was adapted, or averaged with the start's, is asked with that one.
    """

    opened: OpenModel
    """The model that made the index."""
    name: str
    """What to call it in messages."""

    def query(self, query: Query) -> SingleArray:
        """The unit direction (D,) of a question: the weighted sum of its parts, made unit length.

        Args:
            query: See `Query`.

        Raises:
            DataError: When an image cannot be read.
            RecipeError: When a class is not known, the parts cancel each other, or this model
                cannot read texts.
        """
        weights, parts = query.weights, []
        if query.texts:
            parts.append(weights.text * self.texts(query.texts, query.templates))
        if query.classes:
            parts.append(weights.text * self.classes(query.classes))
        if query.images:
            parts.append(weights.image * self.images(query.images))
        if query.minus:
            parts.append(-weights.minus * self.texts(query.minus, query.templates))
        total = np.concatenate(parts).sum(0, dtype=np.float64)
        length = float(np.linalg.norm(total))
        if not length > 1e-6:
            raise RecipeError(
                f"search - the parts cancel each other - {query.said()} - change the weights"
            )
        unit: SingleArray = (total / length).astype(np.float32)
        return unit

    def images(self, images: Sequence[ImageLike]) -> SingleArray:
        """Unit features (N, D) of images, by the one prediction path.

        Raises:
            DataError: When one cannot be read.
        """
        with self.opened.kernels():
            answers = list(self.opened.predictor.stream(list(images), features=True))
        features = []
        for answer in answers:
            if answer.features is None or answer.error is not None:
                raise DataError(str(answer.error))
            features.append(answer.features.numpy())
        return np.stack(features)

    def texts(self, texts: Sequence[str], templates: Sequence[str]) -> SingleArray:
        """Unit features (N, D) of texts, each put into all templates.

        Raises:
            RecipeError: When this model cannot read texts, or one is too long for it.
        """
        filled = [[template.replace("{}", text) for template in templates] for text in texts]
        for text, own in zip(texts, filled, strict=True):
            if filling(self.backbone, own):
                length = self.backbone.spec.config["text_cfg"].get("context_length", 77)
                raise RecipeError(
                    f"search - a text does not fit into the {length} tokens of the text encoder - "
                    f"{textwrap.shorten(text, 70, placeholder=' ...')!r} - say it in fewer words"
                )
        return self._directions(filled)

    def classes(self, names: Sequence[str]) -> SingleArray:
        """Unit features (N, D) of classes: their prompts, averaged as in a zero-shot head.

        Raises:
            RecipeError: When a class is not known to the model.
        """
        model = self._classifier("a class")
        if names and without_classes(model.class_names):
            raise RecipeError(
                f"--class - the model answers no classes - {first_few(names)} - write it as a text"
            )
        places = []
        for name in names:
            if name not in model.class_names:
                hint = did_you_mean(name, model.class_names)
                known = first_few(model.class_names)
                raise RecipeError(
                    f"--class - not a class of the model - {name!r}{hint} - choose from {known}"
                )
            places.append(model.class_names.index(name))
        weights = model.prompt_weights
        return self._directions(
            [model.prompts[place] for place in places],
            None if weights is None else [weights[place] for place in places],
        )

    def captions(self, captions: Sequence[str]) -> SingleArray:
        """Unit features (N, D) of captions, encoded in one pass and kept in the cache.

        The same captions and text encoder are not encoded again, by this process or another.

        Raises:
            RecipeError: When this model cannot read texts.
        """
        about = [self._text_encoder, list(captions), self.opened.precision]
        store = FeatureStore(cache_folder("features"))
        kept = store.kept(
            text_hash(json_text(["captions", *about], None)), lambda: self._pass(list(captions))
        )
        features: SingleArray = kept.numpy()
        return features

    @property
    def backbone(self) -> Backbone:
        """Both encoders.

        Raises:
            RecipeError: When this model has no text encoder, or other images features than texts.
        """
        backbone = self._classifier("a text").backbone
        if backbone.features != PROJECTED:
            raise RecipeError(
                f"{self.name} - texts are in another space - its image features are "
                f"{backbone.features} - search by images"
            )
        return backbone

    @cached_property
    def _text_encoder(self) -> str:
        """A hash of all that features of texts depend on."""
        return head_name(self.backbone, [])

    def _classifier(self, what: str) -> Classifier:
        loaded = self.opened.loaded
        if not isinstance(loaded, Classifier):
            raise RecipeError(
                f"{self.name} - an export has no text encoder - {what} is asked for - search by "
                "images, or embed with the bundle that it was made from"
            )
        return loaded

    def _directions(
        self, prompts: list[list[str]], weights: list[list[float]] | None = None
    ) -> SingleArray:
        with torch.inference_mode(), self.opened.kernels():
            made = F.normalize(text_weights(self.backbone, prompts, weights), dim=-1)
        return _as_array(made)

    def _pass(self, captions: list[str]) -> Tensor:
        if note := cut_captions(self.backbone, captions):
            warnings.warn(note, stacklevel=2)
        with torch.inference_mode(), self.opened.kernels():
            parts = [
                self.backbone.encode_text(captions[start : start + TEXTS]).float().cpu()
                for start in _steps(len(captions))
            ]
        return torch.cat(parts)


def _steps(count: int) -> Iterable[int]:
    return track(range(0, count, TEXTS), "encoding captions", -(-count // TEXTS))


def _as_array(features: Tensor) -> SingleArray:
    array: SingleArray = features.float().cpu().numpy()
    return array
