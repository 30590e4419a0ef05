"""A short model card, where no run wrote one: https://huggingface.co/docs/hub/model-cards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapt.common.words import plural

FRONT = """---
library_name: open_clip
pipeline_tag: image-classification
tags:
- clip
- open_clip
- adapt-clip
---
"""
SHOWN = 50
"""Classes that are named."""


@dataclass(frozen=True)
class CardFacts:
    """What a card says of where a model came from.

    Attributes:
        kind: `a bundle`, or what it was exported to.
        adapt: Version that wrote it.
        base: Architecture, pretrained weights and their hash, by `arch`, `pretrained`, `base_hash`.
        class_names: The classes.
    """

    kind: str
    adapt: str
    base: dict[str, Any]
    class_names: Sequence[str]


def short_card(title: str, own: CardFacts, use: Sequence[str]) -> str:
    """The card.

    Args:
        title: Name of the model.
        own: Where it came from.
        use: Paragraphs that say how it is used.
    """
    names = [_one_line(name) for name in own.class_names]
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    lines = [
        f"# {_one_line(title)}",
        f"A CLIP ({_code(own.base['arch'])}, weights {_code(own.base['pretrained'])}) that tells "
        f"{plural(len(names), 'class')} apart, as {own.kind} of adapt {_code(own.adapt)}. SHA-256 "
        f"of the base weights: `{own.base['base_hash']}`.",
        *use,
        "Classes:",
        "\n".join(f"    {name}" for name in names[:SHOWN] + more),
    ]
    return FRONT + "\n" + "\n\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(str(text).split())


def _code(text: str) -> str:
    return f"`{_one_line(text).replace('`', '')}`"
