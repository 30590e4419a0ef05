"""What depends on the machine: precision, kernels, where models are."""

import importlib.util
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.weak import WeakTensorKeyDictionary

from adapt.errors import ModelError, RecipeError
from adapt.training.settings import Optim, Runtime, for_devices

EXACT = "32"
"""Float32 in every product, as scores are computed."""
FEW_IMAGES, MOST_WORKERS = 500, 8


def resolve_accelerator(accelerator: str, key: str = "runtime.accelerator") -> str:
    """`cuda`, `mps` or `cpu` for Lightning's accelerator names.

    Args:
        accelerator: One of them, or `auto`.
        key: What to call the setting in messages.

    Raises:
        ModelError: When a device that is asked for by name is not available.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if accelerator == "auto":
        return next(name for name, there in available.items() if there)
    wanted = {"gpu": "cuda" if available["cuda"] else "mps"}.get(accelerator, accelerator)
    if not available.get(wanted, False):
        raise ModelError(
            f"{key} - not available - {accelerator!r} - use auto or one of "
            f"{', '.join(name for name, there in available.items() if there)}"
        )
    return wanted


def resolve_precision(precision: str, device: str) -> str:
    """Lightning's precision flag for `auto` and the short names.

    `auto` is bf16-mixed where the device computes bf16 natively, fp16-mixed on older CUDA, and 32
    otherwise: bf16 autocast on a CPU without AMX or AVX512-BF16 is three to four times slower.

    >>> resolve_precision("32", "cpu")
    '32-true'
    """
    if precision == "32":
        return "32-true"
    if precision != "auto":
        return precision
    if device == "cuda":
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
        )
    if device == "cpu" and native_bf16_cpu():
        return "bf16-mixed"
    return "32-true"


def native_bf16_cpu() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware."""
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, check, bool)() for check in checks)


def grown(optim: Optim, runtime: Runtime, processes: int) -> Optim:
    """The settings as they are on several devices; see `Optim.grow`.

    Processes on one processor compute no more than one does, so nothing grows there.
    """
    on_cpu = resolve_accelerator(runtime.accelerator) == "cpu"
    return for_devices(optim, 1 if on_cpu else processes)


def inference_device(runtime: Runtime) -> torch.device:
    """The single device that features and predictions are computed on."""
    device = resolve_accelerator(runtime.accelerator)
    return (
        torch.device(device, torch.cuda.current_device())
        if device == "cuda"
        else torch.device(device)
    )


@dataclass(frozen=True)
class _Copy:
    """A tensor on a device, and what it was copied from."""

    home: Tensor
    version: int
    there: Tensor

    def holds(self, tensor: Tensor, device: torch.device) -> bool:
        """Whether it is what the tensor holds now, on that device."""
        unchanged = self.home.data_ptr() == tensor.data_ptr() and self.version == tensor._version
        return unchanged and self.there.device == device


_held: ContextVar[WeakTensorKeyDictionary | None] = ContextVar("held", default=None)


@contextmanager
def held_on_device() -> Iterator[None]:
    """Within, each model is moved to the device once, however often it is placed there.

    Its copy stays there until the end, until `give_back`, or until the model is gone. Without this
    the copy goes each time the model has computed.
    """
    token = _held.set(WeakTensorKeyDictionary())
    try:
        yield
    finally:
        _held.reset(token)


def give_back() -> None:
    """Free what is held on devices, as before a training; it is moved again when it is needed."""
    if (held := _held.get()) is not None:
        held.clear()


@contextmanager
def placed_on(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Keep a model on a device for a while; afterwards it is where it was.

    So every model outside is on one device, and weights of any two can be compared and mixed. What
    was not written to there is not copied back.
    """
    place, held = torch.empty(0, device=device).device, _held.get()
    copies = WeakTensorKeyDictionary() if held is None else held
    tensors = itertools.chain(module.parameters(), module.buffers())
    moving = [(tensor, tensor.data) for tensor in tensors if not _is_on(tensor, place)]
    versions = [tensor._version for tensor, _ in moving]
    for tensor, home in moving:
        known = copies.get(tensor)
        if known is None or not known.holds(tensor, place):
            known = copies[tensor] = _Copy(home, tensor._version, _moved(home, place))
        tensor.data = known.there
    try:
        yield
    finally:
        for (tensor, home), version in zip(moving, versions, strict=True):
            if tensor._version != version:
                del copies[tensor]
                home = _moved(tensor.data, home.device)
            tensor.data = home


def _is_on(tensor: Tensor, device: torch.device) -> bool:
    return tensor.device == device


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device)


def check_compile(mode: str, device: str) -> None:
    """Refuse what cannot be compiled here, before anything is trained.

    Args:
        mode: `none`, `default` or `cuda_graphs`.
        device: `cuda`, `mps` or `cpu`.

    Raises:
        ModelError: With the reason.
    """
    if mode == "none":
        return
    compiler = os.environ.get("CXX", "g++")
    reasons = {
        "Apple's GPU cannot do it": device == "mps",
        "only CUDA has graphs": mode == "cuda_graphs" and device != "cuda",
        "triton is not installed": device == "cuda" and importlib.util.find_spec("triton") is None,
        f"no C++ compiler {compiler}": device == "cpu" and shutil.which(compiler) is None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise ModelError(
                f"runtime.compile - cannot work on {device} - {mode!r}: {reason} - set it to none"
            )


@contextmanager
def made_faster(encoder: nn.Module, runtime: Runtime) -> Iterator[None]:
    """An encoder with its memory laid out and compiled as asked for; plain again afterwards."""
    if runtime.channels_last:
        encoder.to(memory_format=torch.channels_last)
    if runtime.compile != "none":
        # In place: names of parameters stay.
        encoder.compile(mode="reduce-overhead" if runtime.compile == "cuda_graphs" else "default")
    try:
        yield
    finally:
        if runtime.compile != "none":
            encoder._compiled_call_impl = None
        if runtime.channels_last:
            encoder.to(memory_format=torch.contiguous_format)


@contextmanager
def short_sequence_attention(device: torch.device) -> Iterator[None]:
    """On a CPU, use plain attention kernels: for CLIP's short sequences up to twice as fast."""
    if device.type != "cpu":
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield


@contextmanager
def inference_kernels(device: torch.device, precision: str) -> Iterator[None]:
    """Kernels that features and scores are computed with.

    Args:
        device: Where.
        precision: `32`; `tf32`, float32 whose matrix products are rounded as on CUDA's tensor
            cores; or `bf16`, by autocast.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    cast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    try:
        with short_sequence_attention(device), cast:
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def count_workers(workers: int | str, images: int, sharing: int = 1) -> int:
    """Loading processes of one training process for a number of images.

    Args:
        workers: A count, or `auto`: one less than this process's share of the processors, at most
            8, none for fewer than 500 images, where starting them takes longer than loading.
        images: Images to load.
        sharing: Training processes on this machine, one for each device.

    Returns:
        0 (load in the main process) or more.

    Raises:
        RecipeError: When `workers` is neither.

    >>> count_workers("auto", 499), count_workers(3, 10), count_workers("3", 10)
    (0, 3, 3)
    """
    if workers == "auto":
        share = processors() // sharing - 1
        return 0 if images < FEW_IMAGES else min(max(share, 0), MOST_WORKERS)
    if not str(workers).isdigit():
        advice = "give `auto` or a number from 0 up"
        raise RecipeError(f"workers - not a count - {workers!r} - {advice}")
    return int(workers)


def processors() -> int:
    """Processors that this process may use."""
    # A container may own fewer processors than the machine has; macOS cannot tell.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
