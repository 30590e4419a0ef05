"""What a check of labelled images looks with, and at."""

from dataclasses import dataclass

DEFAULT_MODEL = "adapt-icons-xs"
DEFAULT_PRETRAINED = "embedded"


@dataclass(frozen=True)
class CheckSettings:
    """The model that checks labels and class names, and what costs extra."""

    model: str = DEFAULT_MODEL
    """Its architecture; `none` checks the pixels only."""
    pretrained: str = DEFAULT_PRETRAINED
    """Its weights."""
    influence: bool = False
    """Whether to rank training images by how much they hurt held-out images."""
    separator: str | None = None
    """For a table with several labels per image: what stands between them."""
    label_columns: str | None = None
    """The same for columns of 0 and 1: their names with commas between them, or `auto`."""
