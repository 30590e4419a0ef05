"""How many images a training on a CPU takes at once, where the recipe leaves it open."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from adapt.errors import ModelError
from adapt.methods import Method
from adapt.models.classifier import Classifier
from adapt.recipe.load import Loaded
from adapt.runs.memory import Memory, memory_of, prepared
from adapt.training.runtime import resolve_accelerator
from adapt.training.trainer.within_memory import smaller

AUTO = "auto"
MARGIN = 1.15
"""What an estimate may be too low by: `docs/benchmarks/plan_memory.md`."""
GROUP = Path("/sys/fs/cgroup")
"""What a container may take: version 2 of Linux's control groups."""


def available_memory() -> int | None:
    """Bytes that this process could still take; None where the system does not tell.

    That is what the machine has left, or the container, whichever is less.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        machine = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    try:
        most = int((GROUP / "memory.max").read_text(encoding="ascii"))
        return min(machine, most - int((GROUP / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such group, or one without a limit
        return machine


def beside_the_start(memory: Memory) -> float:
    """Bytes that a training adds to a process that holds the start, on a CPU."""
    return memory.weights / 2 + memory.copies + memory.optimiser + memory.step


def fitted(loaded: Loaded, start: Classifier, tell: Callable[[str], None]) -> Loaded:
    """The recipe with micro-batches that fit into the memory of this machine, if that is asked for.

    Where a GPU trains, or memory is not known, nothing changes: a training that runs out of memory
    takes fewer images at once by itself. On a CPU the system would end the process instead.

    Args:
        loaded: With `runtime.batch_size: auto`, or without.
        start: What the method would train a copy of.
        tell: Called with a sentence for the report where something was asked for.
    """
    recipe, optim = loaded.recipe, getattr(loaded.method, "optim", None)
    if recipe.runtime.batch_size != AUTO or optim is None:
        return loaded
    memory = available_memory()
    if resolve_accelerator(recipe.runtime.accelerator) != "cpu" or memory is None:
        return loaded
    method, images = loaded.method, optim.batch_size // optim.accumulate
    while images > 1 and MARGIN * _needed(loaded, method, start) > memory:
        images = smaller(images)
        try:
            smaller_parts = replace(optim, accumulate=optim.batch_size // images)
            method = replace(loaded.method, optim=smaller_parts)
            method.prepare(start)
        except (ModelError, ValueError):  # the method cannot compute a batch in parts
            tell(f"batch_size auto: {type(method).__name__} takes a batch as a whole here")
            return loaded
    needed = _needed(loaded, method, start)
    tell(
        f"batch_size auto: {images} images at once, {optim.batch_size} in a step; estimated "
        f"{needed / 2**30:.2f} GiB beside the start, {memory / 2**30:.1f} GiB are free"
    )
    return replace(loaded, method=method)


def _needed(loaded: Loaded, method: Method, start: Classifier) -> float:
    return beside_the_start(memory_of(loaded.recipe, method, start, prepared(method, start)))
