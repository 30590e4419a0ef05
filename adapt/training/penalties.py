"""What may be added to any loss so that training stays near where it began, or near itself."""

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
    distances = [(weights[name] - start[name]).float().square().sum() for name in weights]
    return torch.stack(distances).sum()


def feature_distance(features: Sequence[Tensor], start: Sequence[Tensor]) -> Tensor:
    """Mean over depths and images of `|f / |f| - f0 / |f0||^2`: LDIFS (arXiv:2308.13320).

    The paper takes all tokens at five depths; here it is what a depth says of the whole image.

    Args:
        features: Features (B, D) at each depth; D may differ from depth to depth.
        start: The start's features at the same depths.

    >>> feature_distance([torch.tensor([[2.0, 0.0]])], [torch.tensor([[0.0, 5.0]])])
    tensor(2.)
    """
    distances = [
        (F.normalize(now.float(), dim=-1) - F.normalize(before.float(), dim=-1)).square().sum(-1)
        for now, before in zip(features, start, strict=True)
    ]
    return torch.stack(distances).mean()


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


@contextmanager
def watch_features(classifier: Classifier) -> Iterator[list[Tensor]]:
    """A list that fills with the image encoder's features (B, D), as it computes them.

    One entry for each block in order, and the encoder's output: the class token where there is one,
    otherwise the mean over positions.
    """
    encoder, seen = classifier.backbone.image_encoder, []
    trunk = getattr(encoder, "trunk", None)
    token = hasattr(encoder, "class_embedding") or getattr(trunk, "cls_token", None) is not None

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        if output.ndim == 3:  # (B, T, D)
            output = output[:, 0] if token else output.mean(1)
        elif output.ndim == 4:  # (B, D, H, W)
            output = output.flatten(2).mean(-1)
        seen.append(output)

    hooks = [part.register_forward_hook(keep) for part in (*blocks_of(encoder), encoder)]
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
        self.start = self.teacher = None
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
        if optim.l2_sp:
            self.weights = {n: w.to(pixels.device) for n, w in self.weights.items()}
            now: dict[str, Tensor] = {**self._training(classifier)}
            penalties["l2_sp"] = optim.l2_sp * weight_distance(now, self.weights)
        if self.start is not None:
            with torch.no_grad(), watch_features(self.start.to(pixels.device)) as before:
                self.start.features(pixels)
            distance = feature_distance(features, before)
            penalties["feature_distillation"] = optim.feature_distillation * distance
        if self.teacher is not None:
            with torch.no_grad():
                wise = answer(self.teacher.to(pixels.device))
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
            target[name].copy_(target[name].lerp(now, 1 - momentum) if name in self.names else now)

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
