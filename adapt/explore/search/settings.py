"""Settings of a search, as the command line gives them."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least, one_of

AUTO, EXACT, FAISS = "auto", "exact", "faiss"
METHODS = (AUTO, EXACT, FAISS)
AS_GIVEN = "{}"


@dataclass
class SearchSettings:
    """What is asked beside the text, and how.

    Raises:
        ValueError: Listing every mistake, one per line.
    """

    ranges: ClassVar[Ranges] = Ranges(
        top=at_least(1),
        image_weight=at_least(0),
        not_weight=at_least(0),
        method=one_of(METHODS),
    )

    image: list[str] | None = None
    """Images that the answers should look like."""
    minus: list[str] | None = None
    """Texts that the answers should show less."""
    class_name: list[str] | None = None
    """Classes of the model, which stand for their prompts."""
    captions: str | None = None
    """File of captions to rank for one image, in place of a search."""
    top: int = 10
    """Answers."""
    image_weight: float = 1.0
    """How much an image counts, where a text counts 1."""
    not_weight: float = 0.5
    """How much a text of `minus` counts, where a text counts 1."""
    template: list[str] | None = None
    """Sentences with one `{}`, into which texts are put; texts as they are without."""
    model: str | None = None
    """The model that made the index; where it lay then if not given."""
    method: str = AUTO
    """`exact`, `faiss`, or `auto`: exact up to a million images."""
    device: str = AUTO
    """Where questions are encoded."""
    trust: bool = False
    """Whether to open a model of the format `torch`."""

    def __post_init__(self) -> None:
        templates = self.template or []
        wrong = [
            f"template - not a template - {text!r} - write a sentence with one {{}}"
            for text in templates
            if text.count(AS_GIVEN) != 1
        ]
        self.ranges.check(self, wrong)
