"""Counts that go through a checkpoint, also into another number of processes."""

import pytest
import torch
import torch.nn.functional as F

from adapt.training.trainer.tally import Tally, scoring


def counted(number: int) -> Tally:
    """What a process has counted; the norms are the same in all."""
    tally = Tally(["cat", "dog"])
    tally.trained.add({"loss": torch.tensor(float(number))}, number)
    tally.trained.keep()
    tally.trained.add({"loss": torch.tensor(99.0)}, 1)  # of a step that is not finished
    tally.answers_trained.add(torch.eye(2)[:1].repeat(number, 1), torch.ones(number).long())
    for norm in (0.25, 0.5):
        tally.norms.add(norm)
    tally.skipped, tally.skipped_in_a_row = 3, 1
    tally.answers.collapse = "a sentence"
    return tally


def test_everything_goes_on() -> None:
    state, again = counted(4).state_dict(), Tally(["cat", "dog"])
    again.load_state_dict(state)
    assert again.norms.take() == {"gradient_norm": 0.375, "largest_gradient_norm": 0.5}
    assert (again.skipped, again.skipped_in_a_row, again.collapse) == (3, 1, "a sentence")
    again.trained.add({"loss": torch.tensor(2.0)}, 2)
    again.trained.keep()
    assert again.trained.take() == {"loss": (4.0 + 2.0) / 6}
    assert again.answers_trained.sums is not None
    assert again.answers_trained.sums.tolist() == [4, 0, 0, 4]


def test_other_numbers_of_processes_share_the_sums() -> None:
    state = counted(1).state_dict()
    state["processes"] = [
        part for number in (1, 2, 3) for part in counted(number).state_dict()["processes"]
    ]
    for processes in (1, 2, 3, 4):
        images, answers = 0, torch.zeros(4)
        for rank in range(processes):
            tally = Tally(["cat", "dog"])
            tally.load_state_dict(state, rank, processes)
            images += tally.trained.images
            answers += 0 if (sums := tally.answers_trained.sums) is None else sums
            assert tally.norms.steps == 2
        assert images == 6
        assert answers.tolist() == [6, 0, 0, 6]


LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.1]])


def test_one_label() -> None:
    accuracy, loss = scoring(several=False, classes=2)
    target = torch.tensor([0, 1])
    accuracy.update(LOGITS, target)
    assert accuracy.compute().item() == 0.5
    assert torch.equal(loss(LOGITS, target), F.cross_entropy(LOGITS, target, reduction="sum"))


def test_several_labels() -> None:
    accuracy, loss = scoring(several=True, classes=2)
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    accuracy.update(LOGITS, target)
    assert accuracy.compute().item() == 0.75
    p = LOGITS.sigmoid()
    wanted = -(target * p.log() + (1 - target) * (1 - p).log()).sum()
    assert loss(LOGITS, target).item() == pytest.approx(wanted.item(), rel=1e-5)
