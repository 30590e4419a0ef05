"""What the linear layers of a classifier see: Gram matrices of their inputs (arXiv:2212.09849)."""

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from adapt.common.progress import track
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.training.features.pixels import Pixels
from adapt.training.parameters import reach_text_head
from adapt.training.runtime import EXACT, inference_device, inference_kernels, placed_on
from adapt.training.settings import Runtime

PRODUCTS = (Tensor.__matmul__, Tensor.matmul, Tensor.mm, torch.matmul, torch.mm)
"""Functions that multiply their first argument with a weight."""
ATTENTION = inspect.signature(F.multi_head_attention_forward)


@dataclass(frozen=True)
class LinearPart:
    """A weight matrix, or rows of one, that multiplies one input."""

    name: str
    """Of the parameter."""
    output_first: bool
    """Whether it is stored as outputs x inputs, as `nn.Linear` does, or the other way round."""
    start: int
    """First row."""
    stop: int
    """Row behind the last."""

    def of(self, weight: Tensor) -> Tensor:
        """This part of a parameter as a view, inputs x outputs."""
        part = weight[self.start : self.stop]
        return part.T if self.output_first else part


def input_grams(
    classifier: Classifier, pixels: Pixels, names: Collection[str], runtime: Runtime
) -> dict[LinearPart, Tensor]:
    """The mean of `x x^T` over all inputs x that a linear layer gets while images are classified.

    Each token is an input. All products with a weight matrix count: linear layers, the projections
    of encoders, the packed query, key and value of an attention and the output layer inside it,
    learned heads. Where the head comes from text and weights outside of the image encoder are asked
    for, the text encoder reads the prompts of the classes.

    Args:
        classifier: Not changed.
        pixels: Images, as the model sees them when it predicts.
        names: The weights to look at, as in its state dict.
        runtime: Device and batch size.

    Returns:
        A matrix (inputs, inputs) for each weight matrix among `names` that was used, on the CPU.
    """
    device = inference_device(runtime)
    classifier.eval()
    with (
        placed_on(classifier, device),
        torch.no_grad(),
        inference_kernels(device, EXACT),
        _Inputs(classifier, names) as inputs,
    ):
        batches = pixels.batches(runtime.images, device) if inputs.known else iter(())
        total = -(-len(pixels) // runtime.images) if inputs.known else 0
        for batch in track(batches, "inputs of layers", total):
            classifier(batch)
        if reach_text_head(classifier, names):
            text_weights(classifier.backbone, classifier.prompts)
    return {part: (sums / inputs.counts[part]).cpu() for part, sums in inputs.sums.items()}


class _Inputs(TorchFunctionMode):
    """Sees every product with a weight while it is active, also within attention."""

    def __init__(self, classifier: Classifier, names: Collection[str]) -> None:
        super().__init__()
        weights = {n: w for n, w in classifier.named_parameters() if n in names and w.ndim == 2}
        self.known = {_place(weight): name for name, weight in weights.items()}
        self.sums: dict[LinearPart, Tensor] = {}
        self.counts: dict[LinearPart, int] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func is F.multi_head_attention_forward:
            return self._attention(ATTENTION.bind(*args, **given).arguments)
        if func is F.linear:
            weight = args[1] if len(args) > 1 else given["weight"]
            self._add(weight, args[0] if args else given["input"])
        elif func in PRODUCTS and len(args) > 1 and args[1].ndim == 2:
            self._add(args[1].T, args[0])
        return func(*args, **given)

    def _attention(self, call: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Attention whose output layer is taken out of it, so that its input can be seen."""
        inputs = [call["query"], call["key"], call["value"]]
        packed, out, bias = (
            call[name] for name in ("in_proj_weight", "out_proj_weight", "out_proj_bias")
        )
        if call.get("use_separate_proj_weight"):
            for part, values in zip("qkv", inputs, strict=True):
                self._add(call[f"{part}_proj_weight"], values)
        elif inputs[0] is inputs[1] is inputs[2]:
            self._add(packed, inputs[0])
        else:
            width = len(packed) // 3
            for number, values in enumerate(inputs):
                self._add(packed, values, number * width, (number + 1) * width)
        unchanged = torch.eye(out.shape[1], dtype=out.dtype, device=out.device)
        replaced = {"out_proj_weight": unchanged, "out_proj_bias": None}
        inside, weights = F.multi_head_attention_forward(**{**call, **replaced})
        self._add(out, inside)
        return F.linear(inside, out, bias), weights

    def _add(self, weight: Tensor, inputs: Tensor, start: int = 0, stop: int | None = None) -> None:
        """Count inputs of a matrix (outputs, inputs) if it is a known weight or its transpose."""
        output_first = _place(weight) in self.known
        name = self.known.get(_place(weight if output_first else weight.T))
        if name is None:
            return
        rows = len(weight) if output_first else weight.shape[1]
        part = LinearPart(name, output_first, start, rows if stop is None else stop)
        flat = inputs.reshape(-1, inputs.shape[-1])
        gram = flat.T @ flat
        if part in self.sums:
            self.sums[part] += gram
        else:
            self.sums[part] = gram
        self.counts[part] = self.counts.get(part, 0) + len(flat)


def _place(matrix: Tensor) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Where a matrix lies in memory: a weight is found again by it, whoever took a view of it."""
    return matrix.data_ptr(), tuple(matrix.shape), tuple(matrix.stride())
