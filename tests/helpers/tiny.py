"""Tiny CLIPs with random weights, and drawings in which colour and shape tell the class."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image, ImageDraw
from torch.nn import functional

from adapt.data.sources.image_list import ImageList
from adapt.models.classifier import Classifier

VIT, RESNET, TIMM = "test-tiny-vit", "test-tiny-resnet", "test-tiny-timm"
CLASSES = ["blue_square", "green_cross", "red_circle"]
COLOURS = {"blue_square": (40, 60, 220), "green_cross": (30, 190, 50), "red_circle": (220, 40, 30)}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    VIT: {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
        },
        "text_cfg": TEXT,
    },
    RESNET: {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": TEXT,
    },
    TIMM: {
        "embed_dim": 24,
        "vision_cfg": {
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "token",
            "timm_proj": "linear",
            "image_size": 160,
        },
        "text_cfg": TEXT,
    },
}


def add_configs(folder: Path) -> None:
    """Make open_clip know the tiny architectures."""
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


def drawing(label: str, random: np.random.Generator) -> Image.Image:
    """One object of its colour and shape, somewhere on a grey noise background."""
    noise = random.integers(110, 150, (36, 40, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    draw, (x, y) = ImageDraw.Draw(image), random.integers(4, 12, 2).tolist()
    box = (x, y, x + 20, y + 20)
    if label == "red_circle":
        draw.ellipse(box, fill=COLOURS[label])
    elif label == "blue_square":
        draw.rectangle(box, fill=COLOURS[label])
    else:
        draw.rectangle((x, y + 7, x + 20, y + 13), fill=COLOURS[label])
        draw.rectangle((x + 7, y, x + 13, y + 20), fill=COLOURS[label])
    return image


def draw_folder(root: Path, counts: dict[str, int], seed: int) -> Path:
    """A class folder of PNG drawings for each class."""
    random = np.random.default_rng(seed)
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            drawing(label, random).save(root / label / f"{number}.png")
    return root


def tiny_classifier(arch: str = VIT, names: list[str] | None = None, seed: int = 0) -> Classifier:
    """A tiny CLIP whose random text encoder can tell words apart."""
    classifier = Classifier.from_clip(arch, "random", names or CLASSES, ["plain"], seed)
    with torch.no_grad():
        classifier.backbone.model.token_embedding.weight.mul_(50)
    return classifier.rebuild_head().eval()


def weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    """Copies of every weight, head included."""
    return {name: value.clone() for name, value in classifier.state_dict().items()}


def bit_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts have the same names and the same bits."""
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def run_python(code: str, folder: Path, *arguments: str) -> str:
    """What a fresh Python process prints that sees the package and this folder's helpers."""
    script = folder / "script.py"
    script.write_text(code)
    here = Path(__file__).parents[2]
    paths = [str(here), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def moved(start: Classifier, seed: int = 0, size: float = 0.05, learned: bool = True) -> Classifier:
    """Every weight of a copy changed at random; a text head is what the moved encoder says."""
    tuned = start.clone()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in tuned.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.randn(value.shape, generator=generator) * size)
    tuned.head_from_text = not learned
    return tuned if learned else tuned.rebuild_head()


def in_float64(start: Classifier) -> Classifier:
    """A copy that computes in float64, whatever pixels it is given.

    Two ways to the same gradient round differently, and Adam divides by its length: in float32 what
    is left of a small gradient is a step of full size. In float64 it is far below any tolerance.
    """
    other = start.clone().double()
    other.backbone.image_encoder.register_forward_pre_hook(_double_pixels)
    return other


def _double_pixels(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (given[0].double(), *given[1:])


def cross_entropy(classifier: Classifier, images: ImageList) -> float:
    """Mean over the images, seen as evaluation sees them."""
    own = classifier.backbone.preprocessing
    pixels = torch.stack([own(images.open(index)) for index in range(len(images))])
    with torch.no_grad():
        targets = torch.from_numpy(images.targets(classifier.class_names))
        return float(functional.cross_entropy(classifier(pixels), targets))
