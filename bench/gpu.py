"""Training and encoding on one GPU beside loops written by hand; JSON lines.

    python -m bench.gpu                  # about eight minutes on one large GPU
    python -m bench.gpu --tiny           # the same on a CPU and a small model: does it run?
    python -m bench.gpu --only memory

Sections: `precision` (bf16-mixed and 16-mixed beside fp32), `parity` (features of CPU and GPU),
`training` and `embedding` (images per second; layouts and compilers), `memory` (the peak on the
device beside the estimate of `adapt plan`). Weights are random and images are noise held in memory,
so that no decoding is timed. Without a GPU it says so and ends with 0.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import adapt
from adapt.models.classifier import Classifier
from adapt.runs.memory import Where, training_memory
from adapt.training.context import Context
from adapt.training.features.encode import Pixels, image_features
from adapt.training.loop import deterministic, make_trainer, quiet_lightning
from adapt.training.module import AdaptModule
from adapt.training.parameters import parameter_groups
from adapt.training.runtime import made_faster
from adapt.training.settings import Optim, Runtime

CLASSES = 10
SPREAD = {"32": 1e-4, "tf32": 5e-3}
"""How far features of CPU and GPU may be apart, relative to their length."""


@dataclass
class Size:
    """How much is done."""

    device: torch.device
    archs: list[str]
    batch: int
    steps: int
    seconds: float
    """After which no new section begins."""

    @property
    def tiny(self) -> bool:
        """Whether this is only to see that it runs."""
        return self.device.type == "cpu"


class Noise(Dataset[dict[str, Any]]):
    """Normalised images of noise, each class with a colour of its own, which can be learned."""

    def __init__(self, count: int, size: int, seed: int = 0) -> None:
        random = torch.Generator().manual_seed(seed)
        colours = torch.randn(CLASSES, 3, 1, 1, generator=torch.Generator().manual_seed(99)) / 2
        self.count, self.targets = count, torch.arange(count) % CLASSES
        pool = min(count, 250)  # a multiple of the classes, so that an image keeps its class
        self.images = torch.randn(pool, 3, size, size, generator=random)
        self.images += colours[self.targets[:pool]]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = self.images[index % len(self.images)]
        return {"image": image, "target": int(self.targets[index]), "index": index}


def say(section: str, **facts: Any) -> None:
    """One line of JSON."""
    print(json.dumps({"section": section, **facts}), flush=True)


def wait(device: torch.device) -> float:
    """The time, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_gib(device: torch.device, reset: bool = False) -> float | None:
    """Most memory that tensors took on the device since the last reset."""
    if device.type != "cuda":
        return None
    if reset:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return round(torch.cuda.max_memory_allocated() / 2**30, 3)


def start_of(arch: str) -> Classifier:
    """A classifier with random weights; those of the embedded model, which is there anyway."""
    names = [f"class {number}" for number in range(CLASSES)]
    pretrained = "embedded" if arch == "adapt-icons-xs" else "random"
    return Classifier.from_clip(arch, pretrained, names)


def loader_of(data: Noise, size: Size) -> DataLoader[dict[str, Any]]:
    """Whole batches, pinned for a GPU."""
    pinned = size.device.type == "cuda"
    return DataLoader(data, batch_size=size.batch, pin_memory=pinned, drop_last=True)


class Clock(pl.Callback):
    """Seconds and mean loss of each epoch."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds, self.losses = device, list[float](), list[float]()

    def on_train_epoch_start(self, *_: Any) -> None:
        """Start."""
        self.began = wait(self.device)

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Stop."""
        self.seconds.append(wait(self.device) - self.began)
        self.losses.append(float(trainer.callback_metrics["train_loss"]))


def fit(
    tuned: Classifier, data: Noise, size: Size, optim: Optim, runtime: Runtime
) -> tuple[Clock, int]:
    """Train with what `adapt` trains with; returns the clock and the number of skipped steps."""
    module, clock = AdaptModule(tuned, optim), Clock(size.device)
    encoder = tuned.backbone.image_encoder
    with quiet_lightning(), deterministic(), made_faster(encoder, runtime):
        trainer = make_trainer(optim, Context(runtime=runtime, quiet=True), [clock])
        trainer.fit(module, loader_of(data, size))
    return clock, module.skipped


def by_hand(
    tuned: Classifier, data: Noise, size: Size, optim: Optim, runtime: Runtime
) -> list[float]:
    """Plain PyTorch with the same loader; seconds of each epoch."""
    device, seconds = size.device, []
    tuned.to(device).train()
    groups = parameter_groups(tuned, optim)
    parameters = [p for p in tuned.parameters() if p.requires_grad]
    adam = torch.optim.AdamW(groups, lr=optim.lr, fused=True)
    mixed = runtime.precision == "bf16-mixed"
    with made_faster(tuned.backbone.image_encoder, runtime):
        for _ in range(optim.epochs):
            began = wait(device)
            for batch in loader_of(data, size):
                pixels = batch["image"].to(device, non_blocking=True)
                target = batch["target"].to(device, non_blocking=True)
                with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                    loss = F.cross_entropy(tuned(pixels).float(), target)
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, optim.clip_norm)
                adam.step()
            seconds.append(wait(device) - began)
    return seconds


def precision(arch: str, size: Size) -> bool:
    """Whether losses fall and accuracies agree in each precision."""
    start, good, exact = start_of(arch), True, 0.0
    side, count = start.backbone.preprocessing.size, size.batch * size.steps
    data, test = Noise(count, side), Noise(250, side, 1)
    optim = Optim(lr=1e-4, epochs=2 if size.tiny else 4, batch_size=size.batch)
    for name in ("32", "bf16-mixed", *(() if size.tiny else ("16-mixed",))):
        tuned = adapt.method("full", optim=optim).prepare(start)
        clock, skipped = fit(tuned, data, size, optim, Runtime(precision=name))
        right = _accuracy(tuned.eval().to(size.device), test, size)
        exact = right if name == "32" else exact
        falling = bool(np.isfinite(clock.losses).all()) and clock.losses[-1] < clock.losses[0]
        noise = 2 * (0.25 / len(test) * 2) ** 0.5
        good &= falling and abs(right - exact) <= noise
        losses = [round(loss, 4) for loss in clock.losses]
        say("precision", arch=arch, precision=name, losses=losses, skipped=skipped,
            accuracy=right, noise=round(noise, 3))  # fmt: skip
    return good


@torch.inference_mode()
def _accuracy(classifier: Classifier, data: Noise, size: Size) -> float:
    right = 0
    for batch in DataLoader(data, batch_size=size.batch):
        logits = classifier(batch["image"].to(size.device))
        right += int((logits.argmax(1).cpu() == batch["target"]).sum())
    return right / len(data)


def parity(arch: str, size: Size) -> bool:
    """Whether features of GPU and CPU agree, without and with TF32."""
    start, good = start_of(arch), True
    pixels = _pixels(start, 16)
    on_cpu = image_features(start.backbone, pixels, Runtime(accelerator="cpu")).double()
    for name, most in SPREAD.items():
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        torch.backends.cudnn.allow_tf32 = name == "tf32"
        given = Runtime(accelerator="auto", batch_size=5)
        apart = image_features(start.backbone, pixels, given).double() - on_cpu
        relative = float(apart.norm() / on_cpu.norm())
        good &= relative <= most
        say("parity", arch=arch, matmul=name, relative=relative, largest=float(apart.abs().max()))
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True
    return good


def _pixels(start: Classifier, count: int) -> Pixels:
    side = start.backbone.preprocessing.size
    values = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Pixels(values, start.backbone.preprocessing)


def training(arch: str, size: Size) -> bool:
    """Images per second of the last epoch, for both loops and each option."""
    start = start_of(arch)
    data = Noise(size.batch * size.steps, start.backbone.preprocessing.size)
    optim = Optim(lr=1e-5, epochs=2, batch_size=size.batch)
    plain = Runtime(precision="32" if size.tiny else "bf16-mixed")
    options = {"plain": plain, "channels_last": replace(plain, channels_last=True)}
    if not size.tiny:
        options["compile"] = replace(plain, compile="default")
        options["cuda_graphs"] = replace(plain, compile="cuda_graphs")
    for method in ("full", "lora"):
        for option, runtime in options.items():
            tuned = adapt.method(method, optim=optim)
            rates: dict[str, float] = {}
            peaks: dict[str, float | None] = {}
            for turn in ("hand", "ours", "ours", "hand"):
                copy = tuned.prepare(start)
                peak_gib(size.device, reset=True)
                if turn == "ours":
                    seconds = fit(copy, data, size, optim, runtime)[0].seconds[-1]
                else:
                    seconds = by_hand(copy, data, size, optim, runtime)[-1]
                rates[turn] = max(rates.get(turn, 0.0), len(data) / seconds)
                peaks[turn] = peak_gib(size.device)
            say("training", arch=arch, method=method, option=option, precision=plain.precision,
                batch=size.batch, images_per_second=rates, ratio=rates["ours"] / rates["hand"],
                peak_gib=peaks)  # fmt: skip
    return True


def embedding(arch: str, size: Size) -> bool:
    """Images per second of `image_features` and of a loop by hand."""
    start, count = start_of(arch), 2 * size.batch if size.tiny else 4096
    pixels = _pixels(start, count)
    calls: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: image_features(start.backbone, pixels, Runtime(batch_size=size.batch)),
        "hand": lambda: _embed(start, pixels, size),
    }
    rates = dict.fromkeys(calls, 0.0)
    features: dict[str, Tensor] = {}
    for _ in range(3):
        for name, call in calls.items():
            began = wait(size.device)
            features[name] = call()
            rates[name] = max(rates[name], count / (wait(size.device) - began))
    apart = float((features["ours"].float() - features["hand"].float()).abs().max())
    say("embedding", arch=arch, batch=size.batch, images_per_second=rates,
        ratio=rates["ours"] / rates["hand"], largest_difference=apart)  # fmt: skip
    return apart < SPREAD["tf32"]


@torch.inference_mode()
def _embed(start: Classifier, pixels: Pixels, size: Size) -> Tensor:
    backbone, parts = start.backbone.to(size.device), []
    for chunk in torch.from_numpy(pixels.values).split(size.batch):
        ready = backbone.preprocessing.normalise_batch(chunk.to(size.device))
        parts.append(backbone.encode_image(ready).cpu())
    start.backbone.cpu()
    return torch.cat(parts)


def memory(arch: str, size: Size) -> bool:
    """The peak on the device beside the estimate; within 15 per cent on a GPU."""
    start, good = start_of(arch), True
    data = Noise(size.batch * 3, start.backbone.preprocessing.size)
    plain = Optim(lr=1e-5, epochs=1, batch_size=size.batch)
    for method in ("full", "lora"):
        for name in ("32", "bf16-mixed"):
            for penalty in ("none", "ema", "feature_distillation", "self_distillation"):
                optim = plain if penalty == "none" else replace(plain, **{penalty: 0.9})
                tuned = adapt.method(method, optim=optim).prepare(start)
                where = Where(size.device.type, name)
                estimate = training_memory(
                    start, adapt.method(method).prepare(start), optim, size.batch, 0, where
                )
                peak_gib(size.device, reset=True)
                fit(tuned, data, size, optim, Runtime(precision=name))
                measured = peak_gib(size.device)
                good &= measured is None or abs(estimate.gib / measured - 1) <= 0.15
                say("memory", arch=arch, method=method, precision=name, penalty=penalty,
                    estimate_gib=estimate.gib, measured_gib=measured)  # fmt: skip
    return good


SECTIONS = (precision, parity, training, embedding, memory)


def wanted(size: Size, only: list[str]) -> Iterator[tuple[str, Callable[[str, Size], bool]]]:
    """Each architecture with each section, while there is time."""
    began = time.monotonic()
    for arch in size.archs:
        for section in SECTIONS:
            if only and section.__name__ not in only:
                continue
            if time.monotonic() - began > size.seconds:
                say("out_of_time", arch=arch, left_out=section.__name__)
                continue
            yield arch, section


def main() -> int:
    """Run the sections; 1 where one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a small model on the CPU")
    parser.add_argument("--only", nargs="*", default=[], help="names of sections")
    parser.add_argument("--archs", nargs="*", default=["ViT-B-32", "ViT-B-16", "RN50"])
    parser.add_argument("--seconds", type=float, default=400, help="begin nothing after them")
    given = parser.parse_args()
    if given.tiny:
        size = Size(torch.device("cpu"), ["adapt-icons-xs"], 10, 2, given.seconds)
    elif torch.cuda.is_available():
        size = Size(torch.device("cuda"), given.archs, 128, 24, given.seconds)
    else:
        print("no GPU here: nothing is measured; --tiny runs it on the CPU")
        return 0
    name = "cpu" if given.tiny else torch.cuda.get_device_name()
    say("machine", device=name, torch=torch.__version__)
    failed = []
    for arch, section in wanted(size, given.only):
        try:
            good = section(arch, size)
        except Exception as error:  # the others are still measured
            good = False
            say(section.__name__, arch=arch, error=f"{type(error).__name__}: {error}"[:400])
        if not good:
            failed.append(f"{section.__name__} {arch}")
    say("done", failed=failed)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
