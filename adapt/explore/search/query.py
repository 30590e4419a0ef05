"""What is searched for: texts, images and class names, together or against each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

from adapt.common.ranges import Ranges, at_least
from adapt.errors import RecipeError
from adapt.explore.search.settings import AS_GIVEN
from adapt.models.prediction.inputs import ImageLike

MINUS = re.compile(r"(?:^|\s)-(?=[^\s-])(\S+)")


@dataclass(frozen=True)
class QueryWeights:
    """How much each part counts. Only their ratios matter.

    Raises:
        ValueError: When one is negative.
    """

    ranges: ClassVar[Ranges] = Ranges(text=at_least(0), image=at_least(0), minus=at_least(0))

    text: float = 1.0
    """Each text, and each class."""
    image: float = 1.0
    """Each image."""
    minus: float = 0.5
    """Each text that is wanted less."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass(frozen=True)
class Query:
    """One question; its parts are added, and those of `minus` subtracted.

    Raises:
        RecipeError: When there is nothing to look for, or a text is empty.
    """

    texts: tuple[str, ...] = ()
    images: tuple[ImageLike, ...] = ()
    minus: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    """Class names of the model, which stand for their prompts."""
    templates: tuple[str, ...] = (AS_GIVEN,)
    """Sentences with one `{}`, into which texts are put; their features are averaged."""
    weights: QueryWeights = field(default_factory=QueryWeights)

    def __post_init__(self) -> None:
        if not (self.texts or self.images or self.classes):
            raise RecipeError(
                "search - nothing to look for - neither a text, an image nor a class is given - "
                "write what the images show, or give --image or --class"
            )
        for text in (*self.texts, *self.minus):
            if not text.strip():
                raise RecipeError(f"search - an empty text - {text!r} - write what the images show")

    def to_dict(self) -> dict[str, Any]:
        """For JSON; an image that is no path is `image`."""
        images = [str(image) if isinstance(image, str) or hasattr(image, "__fspath__") else "image"
                  for image in self.images]  # fmt: skip
        return {
            "texts": list(self.texts),
            "images": images,
            "minus": list(self.minus),
            "classes": list(self.classes),
            "templates": list(self.templates),
            "weights": {name: getattr(self.weights, name) for name in ("text", "image", "minus")},
        }

    def said(self) -> str:
        """The question in words.

        >>> Query(("a red bus",), ("photos/bus.jpg",), ("beach",)).said()
        'a red bus + image bus.jpg - beach'
        """
        content = self.to_dict()
        parts = [*self.texts, *(f"class {name}" for name in self.classes)]
        parts += [f"image {PurePath(name).name}" for name in content["images"]]
        return " - ".join([" + ".join(parts), *self.minus])


def read_words(text: str) -> tuple[str, list[str]]:
    """A text, and the words in it that are wanted less: those with a minus before them.

    Args:
        text: As it is typed. A hyphen within a word or between blanks is none.

    >>> read_words("a red bus at night -beach")
    ('a red bus at night', ['beach'])
    >>> read_words("a t-shirt - new")
    ('a t-shirt - new', [])
    """
    minus = MINUS.findall(text)
    return " ".join(MINUS.sub(" ", text).split()), minus


def as_tuple(given: Any) -> tuple[Any, ...]:
    """Nothing, one thing or several, as a tuple; a text is one thing.

    >>> as_tuple(None), as_tuple("a"), as_tuple(["a", "b"])
    ((), ('a',), ('a', 'b'))
    """
    if given is None:
        return ()
    several = isinstance(given, Sequence) and not isinstance(given, (str, bytes))
    return tuple(given) if several else (given,)
