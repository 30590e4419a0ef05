"""From photo files to features, against encoding alone and against a loop people would write."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from adapt.data.sources.folders import walk_images
from adapt.data.sources.image_list import ImageList
from adapt.models.backbones import Backbone, load_backbone
from adapt.models.heads import text_weights
from adapt.training.features.encode import image_features, through
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.runtime import short_sequence_attention
from adapt.training.settings import Runtime
from bench.speed.harness import Figure, alternate, peak, row, timed

MODELS = {"b32": ("ViT-B-32", "random", 64), "embedded": ("adapt-icons-xs", "embedded", 768)}
CPU = torch.device("cpu")
RUNTIME = Runtime(accelerator="cpu", batch_size=64)
WORKERS = (0, 1, 2)
"""Loading processes of the opponent; the best of them counts."""


def photos(count: int) -> ImageList:
    """Photos of PACS, in an order that mixes its folders."""
    folder = Path(os.environ["ADAPT_BENCH_DATA"], "pacs")
    paths = sorted(map(str, walk_images(folder)))
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    names = [paths[place] for place in chosen]
    return ImageList(names, ["photo"] * len(names), None, None, str(folder), {})


def embed(backbone: Backbone, images: ImageList) -> Tensor:
    """What a run does."""
    return image_features(backbone, prepare(images, backbone.preprocessing, RUNTIME), RUNTIME)


def against_encoding(name: str) -> Figure:
    """The same images, once from files and once as pixels that are in memory."""
    arch, weights, count = MODELS[name]
    backbone, images = load_backbone(arch, weights), photos(count)
    values = np.concatenate(list(prepare(images, backbone.preprocessing, RUNTIME).blocks(64)))
    ready = Pixels.of(values, backbone.preprocessing)
    figure, ours, theirs = alternate(
        lambda: embed(backbone, images), lambda: image_features(backbone, ready, RUNTIME)
    )
    assert torch.equal(ours, theirs)
    figure.checks["features"] = "bit-equal"
    figure.note = f"{count} photos; on two cores decoding takes its time from encoding"
    return figure


@row("embed_b32", "embedding photos, ViT-B-32", "encoding alone", 0.98)
def embed_b32() -> Figure:
    """See `against_encoding`."""
    return against_encoding("b32")


@row("embed_embedded", "embedding photos, embedded model", "encoding alone", 0.93)
def embed_embedded() -> Figure:
    """See `against_encoding`."""
    return against_encoding("embedded")


class Files(Dataset[Tensor]):
    """Photo files through open_clip's own transform."""

    def __init__(self, paths: list[str], transform: object) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> Tensor:
        from PIL import Image

        with Image.open(self.paths[place]) as image:
            # open_clip itself would resize the numbers of a palette and convert then.
            pixels: Tensor = self.transform(image.convert("RGB"))  # type: ignore[operator]
            return pixels


@torch.inference_mode()
def hand_written(backbone: Backbone, images: ImageList, workers: int) -> Tensor:
    """open_clip's transform, a loader and a loop."""
    own = backbone.preprocessing
    transform = open_clip.image_transform(
        own.size,
        False,
        mean=own.mean,
        std=own.std,
        resize_mode=own.resize_mode,
        interpolation=own.interpolation,
        fill_color=own.fill_color,
    )
    loader = DataLoader(Files(images.paths, transform), batch_size=64, num_workers=workers)
    return torch.cat([F.normalize(backbone.model.encode_image(x), dim=-1) for x in loader])


def against_loader(name: str) -> Figure:
    """Against the best number of loading processes, by one trial each."""
    arch, weights, count = MODELS[name]
    backbone, images = load_backbone(arch, weights), photos(count)
    seconds = {w: timed(partial(hand_written, backbone, images, w))[0] for w in WORKERS}
    best = min(WORKERS, key=lambda workers: seconds[workers])
    figure, ours, theirs = alternate(
        lambda: embed(backbone, images), lambda: hand_written(backbone, images, best)
    )
    apart = float((ours - theirs).abs().max())
    assert apart < 1e-5, apart
    figure.checks["features apart by at most"] = f"{apart:.1e}"
    figure.note = f"{count} photos; the opponent is fastest with {best} loading processes"
    return figure


@row("loader_b32", "embedding photos, ViT-B-32", "open_clip transform + DataLoader", 1.0)
def loader_b32() -> Figure:
    """See `against_loader`."""
    return against_loader("b32")


@row("loader_embedded", "embedding photos, embedded model", "open_clip transform + DataLoader", 1.6)
def loader_embedded() -> Figure:
    """See `against_loader`."""
    return against_loader("embedded")


MEMORY = """
import sys
from bench.speed.rows.embedding import peak_of
print(peak_of(int(sys.argv[1])))
"""


def peak_of(count: int) -> float:
    """Peak memory in MB of reading so many photos at 224 pixels, block by block.

    The encoder is a stand-in that averages: what is measured is what waits for it.
    """
    preprocessing = load_backbone("ViT-B-32", "random").preprocessing
    pixels = prepare(photos(count), preprocessing, RUNTIME)
    batches = pixels.batches(64, CPU)
    with short_sequence_attention(CPU):
        for _ in through(lambda batch: batch.mean((2, 3)), batches, CPU, "32", 0):
            pass
    return peak()


@row("memory", "peak memory: embedding 9,991 photos at 224 px", "1,000 photos", 1.05, "fraction")
def memory() -> Figure:
    """Whole processes, in megabytes."""

    def peak(count: int) -> float:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(count)], check=True, capture_output=True, text=True
        )
        return float(done.stdout)

    return Figure([peak(9991) for _ in range(2)], [peak(1000) for _ in range(2)])


@row("text_head", "zero-shot head, 100 classes x 7 templates, ViT-B-32", "whole context", 5.0)
def text_head() -> Figure:
    """Against encoding all 77 positions."""
    backbone = load_backbone("ViT-B-32", "random")
    templates = open_clip.SIMPLE_IMAGENET_TEMPLATES
    prompts = [[template(f"thing number {n}") for template in templates] for n in range(100)]

    @torch.no_grad()
    def whole() -> Tensor:
        tokens = open_clip.tokenize([text for own in prompts for text in own])
        features = torch.cat([backbone.model.encode_text(part) for part in tokens.split(256)])
        means = F.normalize(features, dim=-1).view(100, 7, -1).mean(1)
        return F.normalize(means, dim=-1) * backbone.scale

    @torch.no_grad()
    def ours() -> Tensor:
        return text_weights(backbone, prompts)

    figure, short, long = alternate(ours, whole, 1, warm_up=False)
    apart = float((F.normalize(short) - F.normalize(long)).abs().max())
    assert apart < 1e-6, apart
    figure.checks["unit heads apart by at most"] = f"{apart:.1e}"
    figure.note = "time grows with the number of prompts alone: 1,000 classes take ten times this"
    return figure
