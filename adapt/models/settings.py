"""What settings of a model may say: names of templates, and how prompts are used."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, matching, not_empty, one_of, or_none, within
from adapt.common.typed import FILE, path_to

TEMPLATE_SETS = ("plain", "simple", "openai")
"""Named sets of prompt templates, the smallest first."""
NEGATIONS = ("a photo without a {}.", "a photo with no {}.", "there is no {} in the photo.")
"""Sentences that say that a class is absent, where images have several labels."""
UNIFORM, ZPE = "uniform", "zpe"
WEIGHTS = (UNIFORM, ZPE)
"""How much each prompt of a class counts."""


@dataclass
class TextTower:
    """A text encoder that stands beside an image encoder of timm."""

    ranges: ClassVar[Ranges] = Ranges(
        arch=not_empty("give a name"), pretrained=not_empty("give a name or a path")
    )

    arch: str
    """Architecture of the CLIP that it is taken from, by its open_clip name."""
    pretrained: str
    """Weights of that CLIP: an open_clip tag, a weights file, or `random`."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class ImageTower:
    """An image encoder of timm that is scored beside the model of a run."""

    ranges: ClassVar[Ranges] = Ranges(
        arch=matching(r"timm/[a-z0-9_]+(\.[a-z0-9_]+)?", "give timm/NAME", "not one of timm"),
        pretrained=not_empty("give a path, or random"),
        image_size=or_none(within(16, 2048, "pixels"), "that of the weights"),
    )

    arch: str
    """`timm/NAME`."""
    pretrained: str
    """A `.safetensors` file of timm, or `random`."""
    image_size: int | None = None
    """Side of the images in pixels; that of the weights when not given."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class Prompts:
    """What the classes are called beside templates, and how much each prompt counts."""

    ranges: ClassVar[Ranges] = Ranges(
        file=or_none(not_empty("give a path or remove the key"), ""),
        weights=one_of(WEIGHTS),
    )

    file: str | None = path_to(FILE)
    """JSON or YAML file with sentences for every class, `{class: [sentence, ...]}`. They take the
    place of the templates, and of prompts in `data.classes`; `{}` in them is the class name."""
    beside_templates: bool = False
    """Use a class's own sentences together with the templates, not in their place."""
    weights: str = UNIFORM
    """How much each template counts: `uniform`, or `zpe`, by how sure the model is with it of the
    training images, whose labels are not looked at (arXiv:2302.06235)."""
    search: bool = False
    """Choose templates on the labelled training images, among those of `templates`, OpenAI's 80 and
    the prompts as they are. What is chosen is used if it is clearly better on images held out."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
