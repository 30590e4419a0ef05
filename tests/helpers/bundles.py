"""Bundles, and bundles that somebody changed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from adapt.common.content import content_hash
from adapt.data.labels.classes import ClassName
from adapt.models.backbones import tokenizer_of
from adapt.models.bundle.manifest import MANIFEST, OWN_HASH, manifest_hash
from adapt.models.bundle.probe import TEXTS
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


def edit(folder: Path, change: Callable[[dict[str, Any]], Any], rehash: bool = True) -> None:
    """Change the manifest and, as somebody who knows how, its hash of itself."""
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    if rehash:
        manifest[OWN_HASH] = manifest_hash(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def edit_json(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change another JSON file, and every hash of it."""
    content = json.loads((folder / name).read_text())
    change(content)
    forge(folder, name, json.dumps(content).encode())


def edit_tensors(folder: Path, name: str, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change tensors of a file, and every hash of it."""
    state = {key: value.clone() for key, value in load_file(folder / name).items()}
    change(state)
    save_file(state, folder / name)
    forge(folder, name, (folder / name).read_bytes())


SMALLEST: dict[str, Any] = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 8, "layers": 1, "width": 8, "head_width": 4, "patch_size": 4},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


def smallest(folder: Path) -> Classifier:
    """The smallest classifier there is; its unused words are zeros, so that it packs well.

    Args:
        folder: Scratch.
    """
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": SMALLEST, "preprocess_cfg": {}})
    )
    names = [ClassName("cat", "cat"), ClassName("dog", "dog"), ClassName("été/1", "summer")]
    start = Classifier.from_clip(f"local-dir:{folder}", "random", names, ["a photo of a {}."])
    words = start.backbone.model.token_embedding.weight
    texts = [*TEXTS, *(prompt for own in start.prompts for prompt in own)]
    used = tokenizer_of(start.backbone.spec)(texts).unique()
    with torch.no_grad():
        kept = words[used] * 50
        words.zero_()
        words[used] = kept
        start.backbone.model.visual.proj.mul_(3)
        start.backbone.model.text_projection.mul_(3)
    start.temperature = 1.3
    return start.rebuild_head()
