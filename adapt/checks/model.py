"""Findings that need a model: suspected labels, class names, and scores without leaks."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from adapt.checks.cache import Encoder, read_head, weights_key, write_head
from adapt.checks.findings.balance import balance_findings
from adapt.checks.findings.copies import Copies
from adapt.checks.findings.copy_findings import leak_free_accuracy, leaked_indices
from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.labels import label_findings
from adapt.checks.findings.measure import Picture
from adapt.checks.findings.names import name_findings
from adapt.checks.findings.out_of_fold import fast_probe, out_of_fold_probabilities
from adapt.common.arrays import BoolArray, SingleArray
from adapt.data.labels.classes import ClassName
from adapt.data.labels.label_sets import JOINER
from adapt.data.sources.image_list import ImageList

if TYPE_CHECKING:
    from adapt.models.backbones import Backbone

FOLDS = 10
STRENGTH = 10.0
"""C of the probe whose scores with and without leaks are compared."""
FEWEST = 20
"""Fewest images for a statement about single labels."""
TEMPLATES = ("simple",)


class Model:
    """A pretrained CLIP by name; it is loaded only when a feature or head is missing."""

    def __init__(self, arch: str, pretrained: str) -> None:
        self.arch, self.pretrained = arch, pretrained
        self.encoder = Encoder(weights_key(arch, pretrained), lambda: self.backbone)

    @cached_property
    def backbone(self) -> "Backbone":
        """Both encoders.

        Raises:
            ModelError: When there is no such model.
        """
        from adapt.models.backbones import load_backbone

        return load_backbone(self.arch, self.pretrained)

    def head(self, names: Sequence[ClassName]) -> SingleArray:
        """The zero-shot head (K, D) of these classes, logit scale included."""
        words = [[name.words, *name.prompts] for name in names]
        text = json.dumps([self.encoder.key, TEMPLATES, words])
        key = hashlib.sha256(text.encode()).hexdigest()
        known = read_head(key)
        if known is not None:
            return known
        import torch

        from adapt.models.heads import text_weights
        from adapt.models.templates import class_prompts, resolve_templates

        prompts = class_prompts(list(names), resolve_templates(list(TEMPLATES)))
        with torch.inference_mode():
            head: SingleArray = text_weights(self.backbone, prompts).float().cpu().numpy()
        write_head(key, head)
        return head


@dataclass
class View:
    """The readable images of the task, one set after the other."""

    places: list[Place]
    pictures: list[Picture]
    features: SingleArray | None
    copies: Copies
    classes: dict[str, ClassName]
    """By key, sorted."""
    labels_file: str = ""
    several: bool = False
    """Whether an image may have several labels, or none; those of a place are then joined."""

    @cached_property
    def class_names(self) -> list[str]:
        """Keys of the classes that occur, sorted."""
        return sorted({label for place in self.places for label in self.labels_of(place)})

    def labels_of(self, place: Place) -> list[str]:
        """The labels of an image."""
        return place.label.split(JOINER if place.label else None) if self.several else [place.label]

    @cached_property
    def marks(self) -> BoolArray:
        """1 where an image has a class, shape (N, K)."""
        position = {name: index for index, name in enumerate(self.class_names)}
        marks = np.zeros((len(self.places), len(position)), np.bool_)
        for row, place in enumerate(self.places):
            marks[row, [position[label] for label in self.labels_of(place)]] = True
        return marks

    @cached_property
    def targets(self) -> npt.NDArray[np.int64]:
        """Position of each image's class, where each has one."""
        position = {name: index for index, name in enumerate(self.class_names)}
        return np.array([position[place.label] for place in self.places], np.int64)

    def rows(self, *splits: str) -> list[int]:
        """Positions of the images of these sets."""
        return [row for row, place in enumerate(self.places) if place.split in splits]


def judged_labels(view: View, head: SingleArray) -> list[Finding]:
    """Suspected label errors among all the images.

    Args:
        view: With features.
        head: Zero-shot head (K, D) of its classes.
    """
    assert view.features is not None
    if len(view.class_names) < 2 or len(view.places) < FEWEST:
        return []
    probabilities = out_of_fold_probabilities(
        view.features,
        view.targets,
        len(view.class_names),
        FOLDS,
        0,
        head,
        view.copies.groups(),
        [picture.sha256 for picture in view.pictures],
    )
    return label_findings(view.places, probabilities, view.class_names, view.labels_file)


def judged_names(view: View, head: SingleArray | None) -> list[Finding]:
    """Class names that CLIP cannot read, with the zero-shot answers when there is a model.

    Args:
        view: With features if there is a head.
        head: Zero-shot head (K, D) of its classes; None checks the names only.
    """
    names = [view.classes[key] for key in view.class_names]
    if head is None or view.features is None or view.several:
        return name_findings(names)
    return name_findings(names, view.features @ head.T, view.targets, head)


def leak_free(view: View) -> dict[str, dict[str, Any]]:
    """Accuracy on each eval of a probe fitted on train, with and without leaked images.

    Args:
        view: With features.

    Returns:
        By eval, see `leak_free_accuracy`; an image leaks when it has an exact or near copy in train
        or val. Empty without train or evals, and where images have several labels.
    """
    if view.several:
        return {}
    leaks = leaked_indices(view.copies, view.places)
    train = view.rows("train")
    if view.features is None or not leaks or len({view.targets[row] for row in train}) < 2:
        return {}
    weight, bias = fast_probe(
        view.features[train], view.targets[train], len(view.class_names), STRENGTH
    )
    accuracies = {}
    for name, leaked in leaks.items():
        rows = view.rows(name)
        scores = view.features[rows] @ weight.T + bias
        accuracies[name] = leak_free_accuracy(scores.argmax(axis=1) == view.targets[rows], leaked)
    return accuracies


def judged_sizes(
    view: View, sets: Mapping[str, ImageList], groups: Sequence[str] | None
) -> list[Finding]:
    """Findings about the number of images per class.

    Args:
        view: Holds the images of classes that train lacks.
        sets: Whole sets by name, train first; without `val`, a run takes it from train.
        groups: Group of each image of train, if there are groups.
    """
    counts = {name: images.counts() for name, images in sets.items()}
    first = next(iter(sets), "")
    groups_of: dict[str, set[str]] = {}
    for labels, group in zip(sets[first].labels_of_each, groups or [], strict=False):
        for label in labels:
            groups_of.setdefault(label, set()).add(group)
    group_counts = {label: len(names) for label, names in groups_of.items()}
    findings = balance_findings(
        counts, group_counts or None, splits_itself="val" not in sets, several=view.several
    )
    extra = tuple(
        (place,)
        for place in view.places
        if place.split in sets and not counts[first].keys() >= set(view.labels_of(place))
    )
    return [
        replace(finding, places=extra) if finding.kind == "extra_class" else finding
        for finding in findings
    ]
