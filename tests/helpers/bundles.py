"""Bundles, and bundles that somebody changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from adapt.common.content import content_hash
from adapt.models.bundle.manifest import MANIFEST
from adapt.models.classifier import Classifier
from tests.helpers.tiny import tiny_classifier


def learned(arch: str) -> Classifier:
    """A classifier in which nothing has its usual value."""
    classifier = tiny_classifier(arch, ["zebra", "été/1", "a b"], seed=2)
    classifier.head_from_text, classifier.temperature = False, 1.7
    with torch.no_grad():
        classifier.head.bias.copy_(torch.tensor([0.5, -1.0, 2.0]))
        classifier.head.weight.add_(0.1)
    return classifier


def forge(folder: Path, name: str, content: bytes) -> None:
    """Change a file and its hash in the manifest."""
    (folder / name).write_bytes(content)
    edit(folder, lambda m: m["files"].update({name: content_hash(folder / name)}))


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
