"""The model that is served: opened, verified, exchanged for a new one while it answers."""

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from adapt.common.content import content_hash
from adapt.common.typed import resolve_path
from adapt.data.labels.naming import given_classes
from adapt.ensembling.retention import zero_shot_on
from adapt.errors import AdaptError, DataError
from adapt.export.load import Loaded, listing_path, verified
from adapt.export.opened import ExportedClassifier
from adapt.models.classifier import Classifier
from adapt.models.heads import check_read
from adapt.models.prediction.stream import Predictor
from adapt.models.templates import class_prompts, resolve_templates
from adapt.serve.answers import Parts, Refusal, busy

log = logging.getLogger(__name__)
TEMPLATES = ["simple"]
"""Prompts of other class names, as of `Classifier.from_clip`."""
KEPT_HEADS = 16
"""Sets of other class names whose head is kept."""
LONGEST_NAME = 100


@dataclass(eq=False)
class ServedModel:
    """A verified model and what is said of it."""

    name: str
    """The first 12 digits of the SHA-256 of its manifest, which holds a hash of every file."""
    classifier: Loaded
    predictor: Predictor
    parts: Parts
    _heads: OrderedDict[tuple[str, ...], Predictor] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, path: str | Path, device: str) -> "ServedModel":
        """Verify and load a bundle or an export.

        Raises:
            AdaptError: When it is none, was altered, or answers otherwise than it should.
        """
        folder = resolve_path(path)
        model, _ = verified(folder)
        name, classifier = content_hash(listing_path(folder)), model.to(device)
        parts = Parts.of(classifier.uncertainty, classifier.labelling.several)
        return cls(name[:12], classifier, classifier.predictor, parts)

    @property
    def takes_classes(self) -> bool:
        """Whether other class names may be given: its head comes from its text encoder."""
        model = self.classifier
        return isinstance(model, Classifier) and model.head_from_text and not self.parts.labels

    def with_classes(self, names: tuple[str, ...], most: int) -> Predictor:
        """The same encoders with a head for other classes; it has no thresholds.

        Args:
            names: Two or more class names.
            most: How many there may be.

        Raises:
            Refusal: When there may be none, or they are too few, too many, too long or alike.
        """
        model = self.classifier
        if not isinstance(model, Classifier) or not self.takes_classes:
            advice = "leave the class names out"
            raise _wrong_names(f"this model was fitted to its own classes - {advice}")
        if not 2 <= len(names) <= most:
            raise _wrong_names(f"{len(names)} given - give 2 to {most}")
        if max(map(len, names)) > LONGEST_NAME:
            raise _wrong_names(f"a name is too long - give at most {LONGEST_NAME} characters each")
        with self._lock:
            if names not in self._heads:
                self._heads[names] = _zero_shot(model, names)
            self._heads.move_to_end(names)
            while len(self._heads) > KEPT_HEADS:
                self._heads.popitem(last=False)
            return self._heads[names]

    def facts(self) -> dict[str, Any]:
        """What a client should know of it."""
        model, own = self.classifier, self.classifier.uncertainty
        return {
            "model": self.name,
            "base": _base(model),
            "class_names": model.class_names,
            "temperature": model.temperature,
            "abstains_below": own.abstain_below if own and self.parts.abstained else None,
            "set_level": own.conformal_level if own and self.parts.set else None,
            "detects_unknown": self.parts.unknown,
            "takes_classes": self.takes_classes,
        }


def _base(model: Loaded) -> str:
    if isinstance(model, ExportedClassifier):
        return f"{model.record.base.get('arch')} as {model.record.to}"
    return model.backbone.spec.arch


def _wrong_names(what: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, f"class - {what}")


def _zero_shot(model: Classifier, names: tuple[str, ...]) -> Predictor:
    try:
        classes = given_classes(list(names))
        prompts = class_prompts(classes, resolve_templates(TEMPLATES))
        check_read(model.backbone, names, prompts)
        return zero_shot_on(model, list(names), prompts).predictor
    except DataError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error


class Host:
    """Holds the model; a new one takes its place between two batches.

    Args:
        path: Of the bundle or export, read again at each reload.
        device: Where it computes.
    """

    def __init__(self, path: str | Path, device: str) -> None:
        self._path, self._device = path, device
        self._reloading = threading.Lock()
        self.model = ServedModel.open(path, device)

    def reload(self) -> ServedModel:
        """Verify and load what is at the path now; requests that have begun keep their model.

        Raises:
            Refusal: When that is broken, or a reload is under way: the old model stays.
        """
        if not self._reloading.acquire(blocking=False):
            raise busy("a reload is under way - wait for it")
        try:
            self.model = ServedModel.open(self._path, self._device)
        except AdaptError as error:
            log.error("the new model was refused, the old one stays: %s", error)
            reason = "the new model was refused, the old one stays - see the log of the server"
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, reason) from error
        finally:
            self._reloading.release()
        log.warning("serving model %s", self.model.name)
        return self.model
