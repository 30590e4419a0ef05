"""Answers held near those of a slower copy of the model itself (CaRot, arXiv:2311.01723)."""

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.errors import RunError
from adapt.models.classifier import Classifier
from adapt.training.penalties.base import Penalty, Step, frozen_copy, penalty, precise

TEACHER_UPDATES = 50
FIRST_MOMENTUM, LAST_MOMENTUM = 0.05, 0.9
RISING = 0.2


def distillation(logits: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Divergence KL(teacher | student) of softmaxes, as in CaRot (arXiv:2311.01723).

    It is taken of each row, averaged over the rows of a matrix, and summed over matrices: for
    pairs, the similarities by image and by caption. The authors' cross-entropy is larger by the
    teacher's entropy, which has no gradient.

    Args:
        logits: The student's matrices of logits, one answer per row.
        teacher: The teacher's, of the same shapes.

    >>> distillation([torch.tensor([[0.0, 0.0]])], [torch.tensor([[50.0, -50.0]])])
    tensor(0.6931)
    """
    # `kl_div` takes log-probabilities first and the target distribution second.
    parts = [
        F.kl_div(precise(own).log_softmax(-1), precise(wise).softmax(-1), reduction="sum")
        / max(1, len(own))  # no rows where another process has the last image
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


@penalty("self_distillation")
class SelfDistillation(Penalty):
    """`distillation` from a teacher that follows the weights by `teacher_momentum`."""

    def __init__(self, classifier: Classifier, frozen: Collection[str]) -> None:
        self.teacher = frozen_copy(classifier)
        self.moving = [name for name in self.teacher.state_dict() if name not in frozen]
        self.trains = {name for name, _ in classifier.named_parameters()} - set(frozen)

    def __call__(self, step: Step) -> Tensor:
        """The divergence on this batch."""
        with torch.no_grad():
            wise = step.answer(self.teacher)
        return distillation(step.logits, wise)

    def tensors(self) -> list[Tensor]:
        """The whole teacher."""
        return list(self.teacher.state_dict().values())

    def to(self, device: torch.device) -> None:
        """Move the teacher."""
        self.teacher.to(device)

    @torch.no_grad()
    def update(self, classifier: Classifier, step: int, steps: int) -> None:
        """Move the teacher towards the weights; statistics of batch norms are taken."""
        momentum = teacher_momentum(step, steps)
        if momentum == 1:
            return
        target, source = self.teacher.state_dict(), classifier.state_dict()
        for name in self.moving:
            now = source[name].to(target[name].device)
            if name in self.trains:
                target[name].lerp_(now, 1 - momentum)
            else:
                target[name].copy_(now)

    def state_dict(self) -> dict[str, Tensor]:
        """The teacher, as far as it differs from the base."""
        state = self.teacher.state_dict()
        return {name: state[name].cpu() for name in self.moving}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Set the teacher, so that a resumed training goes on as if it had not stopped.

        Raises:
            RunError: When the checkpoint comes from a training without this teacher.
        """
        if set(state) != set(self.moving):
            raise RunError(
                f"checkpoint - holds no teacher of this training - {len(state)} of "
                f"{len(self.moving)} weights - resume with the same optim.self_distillation"
            )
        self.teacher.load_state_dict(state, strict=False)
