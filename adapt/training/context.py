"""What is not a method's business: devices, seed, augmentation, folders."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from adapt.common.progress import write_line
from adapt.data.augmentation.policies import AugmentationLike
from adapt.training.settings import Runtime


@dataclass
class Context:
    """Everything about a run that is not a method's business."""

    runtime: Runtime = field(default_factory=Runtime)
    """Devices, precision, workers, loggers."""
    seed: int = 0
    """Fixes initialisation, order and augmentation."""
    augmentation: AugmentationLike = "clip"
    """Named policy for the training images, or a custom list of steps."""
    folder: Path | None = None
    """Where the training log and checkpoints go; nothing is written without it."""
    resume: bool = False
    """Go on from the last checkpoint in `folder`, if there is one."""
    from_previous: bool = False
    """Where the last checkpoint is damaged, go on from the one before it."""
    quiet: bool = False
    """No progress on the terminal."""
    balance: str = "none"
    """How often training classes are drawn: `none`, `uniform` or `sqrt`."""
    cache: Path | None = None
    """Where features of frozen encoders are kept by content; nothing is kept without it."""
    tell: Callable[[str], None] = write_line
    """Called with a sentence that whoever uses the result should know."""
