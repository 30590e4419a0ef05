"""How long and how hard to pretrain."""

from dataclasses import dataclass

from adapt.common.ranges import Ranges, above, at_least, fraction


@dataclass
class Pretraining:
    """How long and how hard to train on pairs."""

    steps: int = 20_000
    """Optimiser steps in all."""
    batch_size: int = 256
    """Pairs in a step."""
    lr: float = 1e-3
    """Highest learning rate, reached after the warm-up."""
    warmup_steps: int = 500
    """Steps of linear warm-up; cosine decay to zero follows."""
    weight_decay: float = 0.05
    """AdamW weight decay on matrices; gains and biases have none."""
    concept_weight: float = 1.0
    """Weight of the auxiliary classification of frequent groups (leaves the early plateau)."""
    concept_size: int = 10
    """Members a group needs to be a class of the auxiliary head."""
    easy_steps: int = 1500
    """First steps, on groups with at least `easy_size` members and plain drawings."""
    easy_size: int = 20
    """See `easy_steps`."""
    colour_weight: float = 3.0
    """How much more often a drawing with its own colours is shown."""
    plain: float = 0.4
    """Fraction of drawings left black on white after the easy steps."""

    def __post_init__(self) -> None:
        Ranges(
            steps=at_least(1),
            batch_size=at_least(1),
            lr=above(),
            warmup_steps=at_least(0),
            weight_decay=at_least(0),
            concept_weight=at_least(0),
            concept_size=at_least(1),
            easy_steps=at_least(0),
            easy_size=at_least(1),
            colour_weight=above(),
            plain=fraction(),
        ).check(self)
