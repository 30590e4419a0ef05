"""Training: whole fits beside a loop written by hand, steps of LoRA, and the set-up of a fit.

The opponent is plain PyTorch: the same loader, the same groups of parameters, fused AdamW, clipping
at norm 1 and the same schedule. That both end at the same weights is asserted.
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.data.sources.image_list import ImageList
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.loop import train
from adapt.training.module import schedule_factor
from adapt.training.parameters import parameter_groups
from adapt.training.runtime import short_sequence_attention
from adapt.training.settings import Optim, Runtime
from bench.speed.harness import ALTERNATIONS, Figure, alternate, row, timed

STEPS, CLASSES = 20, 4
MODELS = {"embedded": ("adapt-icons-xs", "embedded", 64), "vit_b_32": ("ViT-B-32", "random", 16)}
HAND = "plain PyTorch, same loader, fused AdamW"
CONTEXT = Context(augmentation="none", quiet=True, runtime=Runtime(precision="32", workers="0"))


class Case:
    """A model, a method and images that last for some steps."""

    def __init__(self, model: str, method: str, steps: int = STEPS) -> None:
        arch, pretrained, batch = MODELS[model]
        names = [f"class {number}" for number in range(CLASSES)]
        self.start = Classifier.from_clip(arch, pretrained, names)
        self.optim = Optim(lr=1e-5, epochs=1, batch_size=batch)
        self.method = adapt.method(method, optim=self.optim)
        size, random = self.start.backbone.preprocessing.size, np.random.default_rng(0)
        self.folder = tempfile.TemporaryDirectory()
        for number in range(batch * steps):
            path = Path(self.folder.name) / names[number % CLASSES] / f"{number:04}.bmp"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
        self.images: ImageList = adapt.Images.from_folder(Path(self.folder.name))
        self.data = ImageData(self.images, None)

    def prepared(self) -> Classifier:
        """A copy to train, made before the clock runs."""
        torch.manual_seed(0)
        return self.method.prepare(self.start)

    def ours(self, classifier: Classifier) -> Classifier:
        """What a method calls."""
        return train(classifier, self.data, self.optim, CONTEXT)

    def by_hand(self, classifier: Classifier) -> Classifier:
        """The same in plain PyTorch."""
        optim, preprocessing = self.optim, classifier.backbone.preprocessing
        loader = ImageDataModule(
            self.images, None, classifier.class_names, preprocessing, "none", optim.batch_size, 0
        ).train_dataloader()
        groups = parameter_groups(classifier, optim)
        parameters = [p for p in classifier.parameters() if p.requires_grad]
        adam = torch.optim.AdamW(groups, lr=optim.lr, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(adam, schedule_factor(len(loader), optim))
        classifier.train()
        with short_sequence_attention(torch.device("cpu")):
            for batch in loader:
                pixels = preprocessing.normalise_batch(batch["image"])
                loss = F.cross_entropy(classifier(pixels), batch["target"])
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, optim.clip_norm)
                adam.step()
                schedule.step()
        return classifier.eval()


def _compare(model: str, method: str, times: int = ALTERNATIONS) -> Figure:
    case = Case(model, method)
    warm_up = times == ALTERNATIONS
    copies = [case.prepared() for _ in range(2 * (times + warm_up))]
    figure, ours, theirs = alternate(
        lambda: case.ours(copies.pop()), lambda: case.by_hand(copies.pop()), times, warm_up
    )
    apart, moved = _apart(ours, theirs), _apart(ours, case.prepared())
    assert apart <= 1e-2 * moved, (apart, moved)
    figure.checks["weights"] = f"apart by {apart:.1e}, moved by {moved:.1e}"
    batch = case.optim.batch_size
    figure.note = f"{STEPS} steps of {batch} images in fp32, set-up included; {HAND}"
    return figure


def _apart(left: Classifier, right: Classifier) -> float:
    first, second = left.state_dict(), right.state_dict()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@row("fit_full_embedded", "Fit, all weights, embedded model", HAND, 0.97)
def fit_full_embedded() -> Figure:
    """A whole fit of the embedded model."""
    return _compare("embedded", "full")


@row("fit_lora_embedded", "Fit, LoRA, embedded model", HAND, 0.97)
def fit_lora_embedded() -> Figure:
    """The same with LoRA."""
    return _compare("embedded", "lora")


@row("fit_full_vit_b_32", "Fit, all weights, ViT-B-32", HAND, 0.97)
def fit_full_vit_b_32() -> Figure:
    """A whole fit of ViT-B-32."""
    return _compare("vit_b_32", "full", 2)


@row("fit_lora_vit_b_32", "Fit, LoRA, ViT-B-32", HAND, 0.97)
def fit_lora_vit_b_32() -> Figure:
    """The same with LoRA."""
    return _compare("vit_b_32", "lora", 2)


@row("lora_step", "Step of LoRA, ViT-B-32", "the same step of all weights", 0.70, "fraction")
def lora_step() -> Figure:
    """Five steps of LoRA and of full fine-tuning."""
    lora, full = Case("vit_b_32", "lora", 5), Case("vit_b_32", "full", 5)
    small, large = lora.prepared(), full.prepared()
    figure, _, _ = alternate(lambda: lora.by_hand(small), lambda: full.by_hand(large), 3)
    figure.note = "5 steps of 16 images in fp32, in the loop by hand"
    return figure


@row("lora_memory", "Memory of a LoRA step, ViT-B-32", "a step of all weights", 0.5, "fraction")
def lora_memory() -> Figure:
    """Bytes kept for the backward pass, gradients and moments, without the model."""
    sizes = [_memory(Case("vit_b_32", method, 1)) for method in ("lora", "full")]
    figure = Figure([sizes[0]], [sizes[1]])
    figure.note = "megabytes: tensors saved for the backward pass, gradients, AdamW's moments"
    return figure


def _memory(case: Case) -> float:
    """Megabytes of one step beside the model."""
    classifier, seen = case.prepared().train(), dict[int, int]()
    own = {value.untyped_storage().data_ptr() for value in classifier.state_dict().values()}
    held = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held.append(tensor)  # so that no address is used again
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    size = classifier.backbone.preprocessing.size
    pixels = torch.zeros(case.optim.batch_size, 3, size, size)
    with (
        short_sequence_attention(torch.device("cpu")),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        classifier(pixels).logsumexp(1).sum()
    trained = sum(p.numel() for p in classifier.parameters() if p.requires_grad)
    return (sum(seen.values()) + 3 * 4 * trained) / 2**20


@row("fit_setup", "Set-up of a fit, embedded model", "-", 0.3, "seconds")
def fit_setup() -> Figure:
    """A fit of one step of two images: the step is a small part of it, and is counted."""
    case, figure = Case("embedded", "full", 1), Figure([])
    only = ImageData(case.images.subset([0, len(case.images) - 1]), None)
    for turn in range(6):
        tuned = case.prepared()
        seconds, _ = timed(partial(train, tuned, only, case.optim, CONTEXT))
        if turn:
            figure.ours.append(seconds)
    figure.note = "a fit of one step of two images, that step included"
    return figure
