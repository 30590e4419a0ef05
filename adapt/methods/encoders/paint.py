"""PAINT: fine-tune under a frozen zero-shot head, then interpolate (arXiv:2208.05592)."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.methods.base import register
from adapt.methods.encoders.full import Full


@register("paint")
@dataclass
class Paint(Full):
    """Train the image encoder alone; the head stays what the text encoder says.

    So the result can name other classes as before. It is `full` without its head; the patch is the
    interpolation that follows (`ensemble`). The paper's fine-tuning: AdamW at 1e-5, weight decay
    0.1, batch 128, 2000 steps of which 200 warm up. Small data take fewer steps in smaller batches.
    """

    several_labels: ClassVar[bool] = True

    train_head: ClassVar[bool] = False  # type: ignore[misc]  # a constant here, so not a setting
