"""What may be added to any loss so that training stays near where it began, or near itself."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.errors import ModelError, RunError
from adapt.models.classifier import Classifier
from adapt.training.parameters import blocks_of, frozen_names, in_encoder
from adapt.training.settings import Optim

TEACHER_UPDATES = 50
FIRST_MOMENTUM, LAST_MOMENTUM = 0.05, 0.9
RISING = 0.2


def weight_distance(weights: dict[str, Tensor], start: dict[str, Tensor]) -> Tensor:
    """Sum over all numbers of `(w - w0)^2`: L2-SP (arXiv:1802.01483), without its factor 1/2.

    Args:
        weights: What trains, by name.
        start: The values it began with, by the same names.

    >>> weight_distance({"w": torch.tensor([1.0, 4.0])}, {"w": torch.tensor([0.0, 2.0])})
    tensor(5.)
    """
    distances = [
        F.mse_loss(weights[name].float(), start[name].float(), reduction="sum") for name in weights
    ]
    return torch.stack(distances).sum()


def feature_distance(features: Sequence[Tensor], start: Sequence[Tensor]) -> Tensor:
    """Mean over depths of `|f / |f| - f0 / |f0||^2` over the tokens: LDIFS (arXiv:2308.13320).

    As in the authors' code: at each depth every number of the width is a vector over the tokens,
    divided by its norm; squared differences are averaged over tokens, width and images. A weight
    means here what it means in the paper.

    Args:
        features: Features (B, T, D) or (B, D) at each depth; T and D may differ from depth to
            depth. Without tokens the vector runs over the width.
        start: The start's features at the same depths.

    >>> now, before = torch.tensor([[[3.0], [4.0]]]), torch.tensor([[[0.0], [5.0]]])
    >>> feature_distance([now], [before])  # ((0.6 - 0)^2 + (0.8 - 1)^2) / 2
    tensor(0.2000)
    """
    distances = [
        (_over_tokens(now) - _over_tokens(before)).square().mean()
        for now, before in zip(features, start, strict=True)
    ]
    return torch.stack(distances).mean()


def _over_tokens(features: Tensor) -> Tensor:
    """Divided by the norm over the second axis, plus the authors' 1e-10."""
    features = features.float()
    norm: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (norm + 1e-10)


def distillation(logits: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Divergence KL(teacher | student) of softmaxes, as in CaRot (arXiv:2311.01723).

    It is taken of each row, averaged over the rows of a matrix, and summed over matrices: for
    pairs, the similarities by image and by caption.

    Args:
        logits: The student's matrices of logits, one answer per row.
        teacher: The teacher's, of the same shapes.

    >>> distillation([torch.tensor([[0.0, 0.0]])], [torch.tensor([[50.0, -50.0]])])
    tensor(0.6931)
    """
    # `kl_div` takes log-probabilities first and the target distribution second.
    parts = [
        F.kl_div(own.float().log_softmax(-1), wise.float().softmax(-1), reduction="batchmean")
        for own, wise in zip(logits, teacher, strict=True)
    ]
    return torch.stack(parts).sum()


def teacher_momentum(step: int, steps: int) -> float:
    """Fraction of the old teacher that stays after a step; 1 where the teacher is not updated.

    As in CaRot's code on ImageNet, scaled to any length: about 50 updates in a training, the
    momentum rising from 0.05 to 0.9 along a line over the first fifth of the steps.

    Args:
        step: Optimiser steps done, from 1.
        steps: Steps of the whole training.

    >>> [round(teacher_momentum(step, 500), 3) for step in (5, 10, 50, 100, 500)]
    [1, 0.135, 0.475, 0.9, 0.9]
    """
    if step % max(1, steps // TEACHER_UPDATES):
        return 1
    risen = min(1.0, step / (RISING * steps))
    return FIRST_MOMENTUM + (LAST_MOMENTUM - FIRST_MOMENTUM) * risen


def depths_held(blocks: int) -> list[int]:
    """Numbers of the blocks, from 1, after which features are held: at each quarter of the depth.

    >>> depths_held(12), depths_held(6), depths_held(2)
    ([3, 6, 9, 12], [2, 3, 5, 6], [1, 2])
    """
    return sorted({math.ceil(blocks * quarter / 4) for quarter in (1, 2, 3, 4)})


@contextmanager
def watch_features(classifier: Classifier) -> Iterator[list[Tensor]]:
    """A list that fills with the image encoder's features at up to five depths, as it computes.

    They are what enters the first block and what leaves each quarter of the blocks: (B, T, D), the
    positions of a convolutional encoder being tokens. An encoder without blocks gives its output
    (B, D) alone.
    """
    encoder, seen = classifier.backbone.image_encoder, []
    blocks = blocks_of(encoder)

    def keep(features: Tensor) -> None:
        seen.append(features.flatten(2).mT if features.ndim == 4 else features)

    def leaving(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        keep(output)

    def entering(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        keep(inputs[0])

    hooks = (
        [blocks[number - 1].register_forward_hook(leaving) for number in depths_held(len(blocks))]
        if blocks
        else [encoder.register_forward_hook(leaving)]
    )
    hooks += [block.register_forward_pre_hook(entering) for block in blocks[:1]]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


class Regularisers:
    """The penalties that `optim` asks for, and the frozen copies they need.

    It is no module, so its copies are in no optimiser and no `state_dict`; the teacher alone has a
    state, since it cannot be had from the start again.

    Args:
        classifier: As it is before the first step; what requires gradients is what trains.
        optim: `l2_sp`, `feature_distillation` and `self_distillation` are read.

    Raises:
        ModelError: When features are to be held of an image encoder that does not train.
    """

    def __init__(self, classifier: Classifier, optim: Optim) -> None:
        self.optim = optim
        self.names = [name for name, p in classifier.named_parameters() if p.requires_grad]
        self.device = next(classifier.parameters()).device
        self.start: Classifier | None = None
        self.teacher: Classifier | None = None
        self.weights: dict[str, Tensor] = {}
        if optim.l2_sp:
            self.weights = {n: p.detach().clone() for n, p in self._training(classifier).items()}
        if optim.feature_distillation:
            if not any(in_encoder(name, "image") for name in self.names):
                raise ModelError(
                    "optim.feature_distillation - nothing to hold - the image encoder is frozen - "
                    "set it to 0"
                )
            self.start = _frozen_copy(classifier)
        if optim.self_distillation:
            self.teacher = _frozen_copy(classifier)
            frozen = frozen_names(classifier)
            self.moving = [name for name in self.teacher.state_dict() if name not in frozen]

    def _training(self, classifier: Classifier) -> dict[str, nn.Parameter]:
        parameters = dict(classifier.named_parameters())
        return {name: parameters[name] for name in self.names}

    @contextmanager
    def watch(self, classifier: Classifier) -> Iterator[list[Tensor]]:
        """`watch_features` if features are held; otherwise the list stays empty."""
        if self.start is None:
            yield []
            return
        with watch_features(classifier) as seen:
            yield seen

    def _follow(self, device: torch.device) -> None:
        """Keep the copies where the images are."""
        if device == self.device:
            return
        self.device = device
        self.weights = {name: weight.to(device) for name, weight in self.weights.items()}
        for copy in (self.start, self.teacher):
            if copy is not None:
                copy.to(device)

    def __call__(
        self,
        classifier: Classifier,
        pixels: Tensor,
        features: list[Tensor],
        logits: Sequence[Tensor],
        answer: Callable[[Classifier], Sequence[Tensor]],
    ) -> dict[str, Tensor]:
        """Each penalty times its weight, by the name of its setting.

        Args:
            classifier: As it is now.
            pixels: What it saw.
            features: What `watch` listed of it.
            logits: What it said.
            answer: What another classifier says of the same batch.
        """
        optim, penalties = self.optim, {}
        self._follow(pixels.device)
        if optim.l2_sp:
            now: dict[str, Tensor] = {**self._training(classifier)}
            penalties["l2_sp"] = optim.l2_sp * weight_distance(now, self.weights)
        if self.start is not None:
            with torch.no_grad(), watch_features(self.start) as before:
                self.start.features(pixels)
            # An objective that encodes in parts gives the depths of one part after another.
            depths = [torch.cat(features[number :: len(before)]) for number in range(len(before))]
            distance = feature_distance(depths, before)
            penalties["feature_distillation"] = optim.feature_distillation * distance
        if self.teacher is not None:
            with torch.no_grad():
                wise = answer(self.teacher)
            penalties["self_distillation"] = optim.self_distillation * distillation(logits, wise)
        return penalties

    @torch.no_grad()
    def update(self, classifier: Classifier, step: int, steps: int) -> None:
        """Move the teacher towards the weights after a step; statistics of batch norms are taken.

        Args:
            classifier: As it is after the step.
            step: Optimiser steps done.
            steps: Steps of the whole training.
        """
        momentum = teacher_momentum(step, steps)
        if self.teacher is None or momentum == 1:
            return
        target, source = self.teacher.state_dict(), classifier.state_dict()
        for name in self.moving:
            now = source[name].to(target[name].device)
            if name in self.names:
                target[name].lerp_(now, 1 - momentum)
            else:
                target[name].copy_(now)

    def state_dict(self) -> dict[str, Tensor]:
        """The teacher, as far as it differs from the base; empty without one."""
        if self.teacher is None:
            return {}
        state = self.teacher.state_dict()
        return {name: state[name].cpu() for name in self.moving}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Set the teacher, so that a resumed training goes on as if it had not stopped.

        Raises:
            RunError: When the checkpoint comes from a training without this teacher.
        """
        if self.teacher is None:
            return
        if set(state) != set(self.moving):
            raise RunError(
                f"checkpoint - holds no teacher of this training - {len(state)} of "
                f"{len(self.moving)} weights - resume with the same optim.self_distillation"
            )
        self.teacher.load_state_dict(state, strict=False)


def _frozen_copy(classifier: Classifier) -> Classifier:
    return classifier.clone().requires_grad_(False).eval()
