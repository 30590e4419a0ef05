"""CLIP-LoRA (MaxZanella) and wise-ft (mlfoundations) train the embedded model on its drawings.

Both sides begin at the same weights, see the same tensors without augmentation, and take as many
steps of as many images with the same settings.
"""

import copy
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import adapt
from adapt.data.image_data import ImageData
from adapt.data.labels.classes import ClassName
from adapt.ensembling.weights.interpolate import interpolate
from adapt.models.backbones import tokenizer_of
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Optim, Runtime
from bench.few_shot import rows_of
from bench.peers.problem import accuracy, quiet
from bench.peers.source import Patch, on_cpu, their_code

LORA, WISE = "CLIP-LoRA", "wise-ft"
PATCHES = {
    LORA: (
        *on_cpu("lora.py", "utils.py"),
        Patch(
            "lora.py", 'device_type="cuda", dtype=torch.float16', 'device_type="cpu", enabled=False'
        ),
        Patch(
            "lora.py", "torch.cuda.amp.GradScaler()", "torch.amp.GradScaler('cpu', enabled=False)"
        ),
        Patch("utils.py", ".float().sum(0, keepdim=True).cpu().numpy())", ".float().sum())"),
    ),
    WISE: on_cpu("src/models/finetune.py"),
}
STUBS = {
    LORA: ("clip",),
    WISE: ("clip", "clip.clip", "src.datasets", "src.datasets.common", "src.models.eval"),
}
SHOTS, STEPS, LORA_LR = 4, 10, 2e-3
"""Of CLIP-LoRA: images of a class, steps for each of them and their rate; 500 and 2e-4 there."""
EPOCHS, LR, BATCH, WARMUP = 3, 3e-5, 64, 4
"""Of wise-ft, on all images."""
RUNTIME = Runtime(accelerator="cpu", workers="0")


class Drawings(NamedTuple):
    """The embedded model and images for it."""

    start: Classifier
    train: adapt.Images
    test: adapt.Images

    @property
    def names(self) -> list[str]:
        """Of the classes, in words."""
        return [self.train.classes[key].words for key in self.start.class_names]

    def tensors(self, images: adapt.Images) -> tuple[Tensor, Tensor]:
        """Normalised pixels and class numbers."""
        pixels = prepare(images, self.start.backbone.preprocessing, RUNTIME)
        values = torch.cat(list(pixels.batches(256, torch.device("cpu"))))
        return values, torch.from_numpy(images.targets(self.start.class_names))

    def loader(self, images: adapt.Images, size: int, shuffle: bool = False) -> Any:
        """Batches of them."""
        return DataLoader(TensorDataset(*self.tensors(images)), size, shuffle=shuffle)

    def scored(self, fitted: Classifier) -> float:
        """Test accuracy in per cent."""
        pixels = prepare(self.test, self.start.backbone.preprocessing, RUNTIME)
        logits = torch.from_numpy(predict_logits(fitted, pixels, RUNTIME))
        return accuracy(logits, self.tensors(self.test)[1])

    def fitted(self, method: Any, images: adapt.Images, seed: int) -> Classifier:
        """A model that a method of `adapt` trains on them."""
        context = Context(RUNTIME, seed, "none", quiet=True)
        result: Classifier = method.fit(self.start, ImageData(images, None), context)
        return result


def drawings() -> Drawings:
    """Emoji: training and test."""
    train, test = (
        adapt.Images.from_embedded("pictograms", "emoji", split) for split in ("train", "test")
    )
    # Their programs know names and templates: the classes' own prompts are left out.
    names = [ClassName(key, train.classes[key].words) for key in train.class_names]
    # CLIP-LoRA trains and tests with one template.
    start = Classifier.from_clip("adapt-icons-xs", "embedded", names, ["plain"])
    return Drawings(start, train, test)


def draw(images: adapt.Images, shots: int, seed: int) -> adapt.Images:
    """So many images of each class."""
    targets = torch.from_numpy(images.targets(images.class_names))
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(seed))
    rows = [order[targets[order] == k][:shots] for k in range(int(targets.max()) + 1)]
    return images.subset(torch.cat(rows).numpy())


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """A result and the CPU seconds that it took."""
    began = time.process_time()
    return run(), time.process_time() - began


def clip_lora(code: Path, own: Drawings, seed: int) -> tuple[float, float]:
    """Their `run_lora` on a draw: accuracy in per cent and CPU seconds."""
    model, spec = copy.deepcopy(own.start.backbone.model), own.start.backbone.spec
    scale, names = float(own.start.backbone.scale.detach()), own.names
    images = draw(own.train, SHOTS, seed)
    args = Namespace(
        **{"encoder": "both", "position": "all", "backbone": "ViT-B/32", "params": ["q", "k", "v"]},
        **{"r": 2, "alpha": 1, "dropout_rate": 0.25, "lr": LORA_LR, "n_iters": STEPS},
        **{"shots": SHOTS, "eval_only": False, "save_path": None},
    )
    dataset = SimpleNamespace(template=["a photo of a {}."], classnames=names)
    test = own.loader(own.test, 256)
    with their_code([code / LORA], PATCHES[LORA], STUBS[LORA]) as take, quiet() as out:
        lora = take("lora")
        for module in (lora, take("utils")):
            module.clip = SimpleNamespace(tokenize=tokenizer_of(spec))
        torch.manual_seed(seed)
        given = (model, scale, dataset, own.loader(images, 32, shuffle=True), test, test)
        _, seconds = timed(lambda: lora.run_lora(args, *given))
    printed = out.getvalue().rpartition("Final test accuracy: ")[2]
    return float(printed.partition(". *")[0]), seconds


class Encoder(nn.Module):
    """Stands for their `ImageEncoder`, which would load CLIP by its name."""

    train_preprocess = val_preprocess = None

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, D)."""
        features: Tensor = self.model.encode_image(images)  # type: ignore[operator]
        return features


def wise_ft(code: Path, own: Drawings, seed: int) -> list[tuple[float, float]]:
    """Their `finetune` and `_merge`: accuracy of alpha 1 and 0.5, CPU seconds of the training."""
    with (
        their_code([code / WISE], PATCHES[WISE], STUBS[WISE]) as take,
        quiet(),
        tempfile.TemporaryDirectory() as folder,
    ):
        tuning, modeling, wise = (
            take(f"src.{name}") for name in ("models.finetune", "models.modeling", "wise_ft")
        )
        loader = own.loader(own.train, BATCH, shuffle=True)
        tuning.datasets.Drawings = lambda *_, **__: SimpleNamespace(train_loader=loader)
        tuning.get_dataloader = lambda data, **_: data.train_loader
        tuning.maybe_dictionarize = lambda pair: dict(zip(("images", "labels"), pair, strict=True))
        weight = own.start.head.weight.detach()
        head = modeling.ClassificationHead(normalize=True, weights=weight)
        start = modeling.ImageClassifier(Encoder(own.start.backbone.model), head)
        start.save(f"{folder}/zeroshot.pt")
        args = Namespace(
            **{"load": f"{folder}/zeroshot.pt", "save": folder, "train_dataset": "Drawings"},
            **{"freeze_encoder": False, "data_location": "", "batch_size": BATCH, "ls": 0.0},
            **{"lr": LR, "wd": 0.1, "warmup_length": WARMUP, "epochs": EPOCHS},
        )
        torch.manual_seed(seed)
        place, seconds = timed(lambda: tuning.finetune(args))
        both = [modeling.ImageClassifier.load(p).state_dict() for p in (args.load, place)]
        return [(_merged(modeling, wise, args.load, both, a, own), seconds) for a in (1.0, 0.5)]


def _merged(
    modeling: ModuleType, wise: ModuleType, place: str, both: list[Any], alpha: float, own: Drawings
) -> float:
    model = modeling.ImageClassifier.load(place)
    model.load_state_dict(wise._merge(alpha, *both, None, 0.0))
    model.eval()
    pixels, targets = own.tensors(own.test)
    with torch.no_grad():
        logits = torch.cat([model(part) for part in pixels.split(256)])
    return accuracy(logits, targets)


def ours(own: Drawings, seed: int) -> list[tuple[float, float]]:
    """CLIP-LoRA, then fine-tuning with alpha 1 and 0.5, by `adapt`."""
    lora = adapt.methods.get("clip_lora")(steps_per_shot=STEPS)
    lora = replace(lora, optim=replace(lora.optim, lr=LORA_LR))
    images = draw(own.train, SHOTS, seed)
    adapted, took = timed(lambda: own.fitted(lora, images, seed))
    steps = EPOCHS * -(-len(own.train) // BATCH)
    optim = Optim(lr=LR, epochs=EPOCHS, batch_size=BATCH, weight_decay=0.1, warmup=WARMUP / steps)
    tuned, seconds = timed(
        lambda: own.fitted(adapt.methods.get("full")(optim=optim), own.train, seed)
    )
    scores = [(own.scored(adapted), took), (own.scored(tuned), seconds)]
    half = interpolate(own.start.state_dict(), tuned.state_dict(), 0.5)
    tuned.load_state_dict(half)
    return [*scores, (own.scored(tuned), seconds)]


def measured(code: Path, seed: int) -> dict[str, list[tuple[float, float]]]:
    """Accuracy and seconds of CLIP-LoRA and of both points of wise-ft: `theirs` and `ours`."""
    own = drawings()
    theirs = [clip_lora(code, own, seed), *wise_ft(code, own, seed)]
    return {"start": [(own.scored(own.start), 0.0)], "theirs": theirs, "ours": ours(own, seed)}


def table(seeds: list[dict[str, list[tuple[float, float]]]]) -> list[str]:
    """Means over seeds, in Markdown.

    Args:
        seeds: What `measured` gave.
    """
    names = [f"CLIP-LoRA, {SHOTS} shots", "wise-ft, alpha 1", "wise-ft, alpha 0.5"]
    rows = [
        ["zero-shot", f"{seeds[0]['start'][0][0]:.1f}", "", f"{seeds[0]['start'][0][0]:.1f}", ""]
    ]
    for row, name in enumerate(names):
        shown = [name]
        for side in ("theirs", "ours"):
            values = [seed[side][row] for seed in seeds]
            shown.append(f"{statistics.fmean(value[0] for value in values):.1f}")
            shown.append(f"{max(value[1] for value in values):.0f}")
        rows.append(shown)
    return rows_of(["program", "theirs", "CPU s", "ours", "CPU s"], rows)
