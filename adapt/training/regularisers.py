"""The penalties that a training adds to its loss, and what its image encoder computes for them."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.parameters import blocks_of, frozen_names, in_encoder
from adapt.training.penalties.base import DEPTHS, PENALTIES, Step, Watched, frozen_copy
from adapt.training.settings import Optim


def depths_held(blocks: int) -> list[int]:
    """Numbers of the blocks, from 1, after which features are held: at each quarter of the depth.

    >>> depths_held(12), depths_held(6), depths_held(2)
    ([3, 6, 9, 12], [2, 3, 5, 6], [1, 2])
    """
    return sorted({math.ceil(blocks * quarter / 4) for quarter in (1, 2, 3, 4)})


@contextmanager
def watch_features(classifier: Classifier, depths: bool = True) -> Iterator[Watched]:
    """What the image encoder gives while this is on, and its features at up to five depths.

    The depths are what enters the first block and what leaves each quarter of the blocks: (B, T,
    D), the positions of a convolutional encoder being tokens. An encoder without blocks gives its
    output (B, D) alone.

    Args:
        classifier: Its image encoder is looked into.
        depths: Whether to keep the depths too.
    """
    encoder, watched = classifier.backbone.image_encoder, Watched()

    def output(_module: nn.Module, _inputs: object, given: Tensor | tuple[Tensor, ...]) -> None:
        # CoCa's encoder gives the tokens too.
        watched.outputs.append(given[0] if isinstance(given, tuple) else given)

    hooks = [encoder.register_forward_hook(output)]
    hooks += _watch_depths(encoder, watched) if depths else []
    try:
        yield watched
    finally:
        for hook in hooks:
            hook.remove()


def _watch_depths(encoder: nn.Module, watched: Watched) -> list[RemovableHandle]:
    """Hooks that fill `by_depth`, from the input on."""
    blocks = blocks_of(encoder)

    def depth() -> Callable[[Tensor], None]:
        parts: list[Tensor] = []
        watched.by_depth.append(parts)

        def keep(features: Tensor) -> None:
            parts.append(features.flatten(2).mT if features.ndim == 4 else features)

        return keep

    def leaving(module: nn.Module) -> RemovableHandle:
        keep = depth()

        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            keep(output)

        return module.register_forward_hook(hook)

    def entering(module: nn.Module) -> RemovableHandle:
        keep = depth()

        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            keep(inputs[0])

        return module.register_forward_pre_hook(hook)

    if not blocks:
        return [leaving(encoder)]
    return [entering(blocks[0]), *(leaving(blocks[n - 1]) for n in depths_held(len(blocks)))]


class Regularisers:
    """The penalties that `optim` asks for, and the frozen start that they compare with.

    It is no module, so its copies are in no optimiser and no `state_dict`.

    Args:
        classifier: As it is before the first step; what requires gradients is what trains.
        optim: The weight of each penalty in `adapt/training/penalties/` is read.

    Raises:
        ModelError: When features are to be held of an image encoder that does not train, or a
            penalty cannot be had of this model.
    """

    def __init__(self, classifier: Classifier, optim: Optim) -> None:
        self.device = next(classifier.parameters()).device
        kinds = {name: kind for name, kind in PENALTIES.table().items() if getattr(optim, name)}
        self.weights: dict[str, float] = {name: getattr(optim, name) for name in kinds}
        watches = {name: kind.watches for name, kind in kinds.items() if kind.watches}
        frozen = frozen_names(classifier)
        if watches and not any(
            in_encoder(name, "image") and name not in frozen
            for name, _ in classifier.named_parameters()
        ):
            raise ModelError(
                f"optim.{next(iter(watches))} - nothing to hold - the image encoder is frozen - "
                "set it to 0"
            )
        self.penalties = {name: kind(classifier, frozen) for name, kind in kinds.items()}
        self.depths = DEPTHS in watches.values()
        self.start = frozen_copy(classifier) if watches else None

    @contextmanager
    def watch(self, classifier: Classifier) -> Iterator[Watched]:
        """`watch_features` if a penalty looks at any; otherwise nothing is kept."""
        if self.start is None:
            yield Watched()
            return
        with watch_features(classifier, self.depths) as watched:
            yield watched

    def _follow(self, device: torch.device) -> None:
        """Keep the copies where the images are."""
        if device == self.device:
            return
        self.device = device
        if self.start is not None:
            self.start.to(device)
        for penalty in self.penalties.values():
            penalty.to(device)

    def __call__(
        self,
        classifier: Classifier,
        pixels: Tensor,
        watched: Watched,
        logits: Sequence[Tensor],
        answer: Callable[[Classifier], Sequence[Tensor]],
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """Each penalty times its weight, by the name of its setting.

        Args:
            classifier: As it is now.
            pixels: What it saw.
            watched: What `watch` gave of it.
            logits: What it said.
            answer: What another classifier says of the same batch.
            generator: Random numbers, the same for all micro-batches of a step.
        """
        self._follow(pixels.device)
        before = Watched()
        if self.start is not None:
            with torch.no_grad(), watch_features(self.start, self.depths) as before:
                self.start.features(pixels)
        step = Step(classifier, watched, self.start, before, logits, answer, generator)
        return {name: self.weights[name] * part(step) for name, part in self.penalties.items()}

    def update(self, classifier: Classifier, step: int, steps: int) -> None:
        """After a step: let a teacher follow the weights.

        Args:
            classifier: As it is after the step.
            step: Optimiser steps done.
            steps: Steps of the whole training.
        """
        for penalty in self.penalties.values():
            penalty.update(classifier, step, steps)

    def tensors(self) -> list[Tensor]:
        """All that is held in memory beside the classifier."""
        start = [] if self.start is None else list(self.start.state_dict().values())
        return start + [held for part in self.penalties.values() for held in part.tensors()]

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """What cannot be had from the start again, by the name of the penalty."""
        states = {name: penalty.state_dict() for name, penalty in self.penalties.items()}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, states: dict[str, dict[str, Tensor]]) -> None:
        """Take over what a checkpoint holds, so that a resumed training goes on the same way.

        Raises:
            RunError: When it comes from a training with other penalties.
        """
        for name, penalty in self.penalties.items():
            penalty.load_state_dict(states.get(name, {}))
