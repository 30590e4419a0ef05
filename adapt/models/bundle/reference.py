"""What a bundle tells of held-out images, so that new ones can be compared with them later.

No image, path or name is in it: features, answers and confidences alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapt.common.arrays import FloatArray, IntArray, SingleArray
from adapt.common.typed import misfit
from adapt.errors import BundleError
from adapt.models.bundle.manifest import COPY, REFERENCE, REFERENCE_FACTS, read_manifest
from adapt.models.bundle.read import Bundle, check_listed
from adapt.models.bundle.tensors import load_tensors

MOST_IMAGES = 10_000
"""Images whose answers are kept."""
MOST_FEATURES, FEATURE_BYTES = 1000, 1_000_000
"""Images whose features are kept, and the bytes that they may take."""
MOST_POINTS = 5
"""Points of the line to the start whose answers are kept."""
FACTS: dict[str, Any] = {
    "source": str,
    "images": int,
    "temperature": float,
    "alpha": float,
    "alphas": list[float],
    "temperatures": list[float],
    "no_features": str,
}
KINDS = {
    "targets": torch.int32,
    "predicted": torch.int32,
    "confidences": torch.float32,
    "entropies": torch.float32,
    "prior": torch.float64,
    "features": torch.float16,
    "line_answers": torch.int32,
    "line_confidences": torch.float16,
}


@dataclass(frozen=True)
class Reference:
    """M held-out images as the K classes of a model see them.

    Attributes:
        source: What they are: `val`, `folds` (each answered by the model that did not see it), or a
            folder that was given later.
        images: How many there were; M of them are kept.
        temperature: At which the model was asked.
        targets: True class numbers, shape (M,).
        predicted: What the model answers, shape (M,).
        confidences: Its highest probability, shape (M,).
        entropies: Entropies of its probabilities in nats, shape (M,).
        prior: Mean of its probabilities, shape (K,).
        features: Unit image features of some of the images, shape (F, D); F may be 0.
        no_features: Why there are none; empty where there are.
        alpha: Where the model lies on the line from its start (0) to what was trained (1).
        alphas: Points of that line whose answers are kept, shape (A,); A may be 0.
        temperatures: The one of each point.
        line_answers: What the model at each point answers, shape (A, M).
        line_confidences: Its confidences, shape (A, M).
    """

    source: str
    images: int
    temperature: float
    targets: IntArray
    predicted: IntArray
    confidences: SingleArray
    entropies: SingleArray
    prior: FloatArray
    features: SingleArray
    no_features: str = ""
    alpha: float = 0.0
    alphas: list[float] = field(default_factory=list)
    temperatures: list[float] = field(default_factory=list)
    line_answers: IntArray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    line_confidences: SingleArray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @property
    def accuracy(self) -> float:
        """The share of the kept images that are answered correctly."""
        return float((self.targets == self.predicted).mean())

    def facts(self) -> dict[str, Any]:
        """What `classifier.json` holds of it, under `reference`."""
        return {name: getattr(self, name) for name in FACTS}

    def tensors(self) -> dict[str, Tensor]:
        """What `reference.safetensors` holds; `read` gives it back, features in half precision."""
        return {
            name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))).to(kind)
            for name, kind in KINDS.items()
        }

    @classmethod
    def read(cls, facts: Any, tensors: Mapping[str, Tensor], classes: int) -> "Reference":
        """What `facts` and `tensors` gave, checked.

        Args:
            facts: From JSON.
            tensors: By name.
            classes: K.

        Raises:
            BundleError: When something is missing, not known, or does not fit.
        """
        _check_facts(facts)
        if strange := sorted(set(KINDS) ^ set(tensors)):
            raise _wrong(strange[0], "missing or not known")
        for name, kind in KINDS.items():
            if tensors[name].dtype != kind or not bool(tensors[name].isfinite().all()):
                raise _wrong(name, "another type, or no numbers")
        images, points = len(tensors["targets"]), len(facts["alphas"])
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
            ("targets", "predicted", "confidences", "entropies"), (images,)
        )
        shapes["prior"] = (classes,)
        line = (points, images) if points else (0, 0)
        shapes |= dict.fromkeys(("line_answers", "line_confidences"), line)
        for name, shape in shapes.items():
            if tuple(tensors[name].shape) != shape:
                raise _wrong(name, "another shape")
        if not images or tensors["features"].ndim != 2:
            raise _wrong("features", "no images, or another shape")
        for name in ("targets", "predicted", "line_answers"):
            if bool(((tensors[name] < 0) | (tensors[name] >= classes)).any()):
                raise _wrong(name, "no such class")
        whole = {name: _widened(value) for name, value in tensors.items()}
        return cls(**facts, **whole)


def _widened(value: Tensor) -> Any:
    if value.dtype == torch.int32:
        return value.long().numpy()
    return value.float().numpy() if value.dtype == torch.float16 else value.numpy()


def _check_facts(facts: Any) -> None:
    if not isinstance(facts, dict) or set(facts) != set(FACTS):
        raise _wrong(REFERENCE_FACTS, "other keys")
    for name, hint in FACTS.items():
        if problem := misfit(hint, facts[name], name):
            raise _wrong(name, problem)
    numbers = [facts["temperature"], *facts["temperatures"]]
    good = all(math.isfinite(value) and value > 0 for value in numbers)
    if not good or len(facts["temperatures"]) != len(facts["alphas"]):
        raise _wrong("temperatures", "not above 0, or not one for each alpha")


def _wrong(name: str, what: str) -> BundleError:
    return BundleError(f"reference.{name} - {what} - in {REFERENCE} or classifier.json - {COPY}")


def with_reference(bundle: Bundle, reference: Reference | None) -> Bundle:
    """A bundle with statistics of held-out images, in place of those it had.

    Args:
        bundle: Before it is written.
        reference: The statistics; None leaves the bundle as it is.

    Raises:
        BundleError: When they are of other classes, or cannot be read back.
    """
    if reference is None:
        return bundle
    facts, own = reference.facts(), reference.tensors()
    Reference.read(facts, own, len(bundle.manifest["class_names"]))
    manifest = bundle.manifest | {REFERENCE_FACTS: facts}
    return replace(bundle, manifest=manifest, tensors=bundle.tensors | {REFERENCE: own})


def read_reference(folder: Path) -> Reference | None:
    """The statistics of held-out images that a bundle holds; None without any.

    Args:
        folder: A bundle, with or without encoders.

    Raises:
        BundleError: When it is no bundle, or these files of it were altered.
    """
    manifest = read_manifest(folder)
    if REFERENCE not in manifest["files"]:
        return None
    check_listed(folder, REFERENCE, manifest["files"][REFERENCE])
    tensors = load_tensors(folder / REFERENCE)
    return Reference.read(manifest[REFERENCE_FACTS], tensors, len(manifest["class_names"]))
