"""The loss of the worst group, and how a training uses it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.data.loading.groups import Groups
from adapt.errors import DataError, ModelError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.groups.objective import Following, WorstGroup
from adapt.training.objectives import CrossEntropy
from adapt.training.settings import Optim
from tests.helpers.tiny import bit_equal, tiny_classifier, weights

FOLLOWING = Following(rate=0.5, adjustment=2.0)
GROUPS = Groups(np.array([0, 0, 1, 1, 2, 2, 2, 3]), ["a", "b", "c", "d"])


def random(step: int) -> torch.Generator:
    return torch.Generator().manual_seed(step)


def batch(rows: list[int]) -> dict[str, torch.Tensor]:
    pixels = torch.randn(8, 3, 32, 32, generator=random(1))
    target = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    return {"image": pixels[rows], "target": target[rows], "index": torch.tensor(rows)}


@pytest.mark.numerical
def test_three_steps_against_numpy() -> None:
    """Group means by a loop, weights by the paper's Algorithm 1, the loss with the new weights."""
    model, objective = tiny_classifier(), WorstGroup(GROUPS, FOLLOWING, CrossEntropy().answers)
    q, counts = np.full(4, 0.25), np.bincount(GROUPS.numbers)
    for step, rows in enumerate([[0, 2, 4], [1, 3, 5, 7], [0, 1, 2, 3, 4, 5, 6, 7]]):
        part = batch(rows)
        loss, (logits,) = objective(model, part, random(step))
        logs = torch.log_softmax(logits.detach().double(), 1).numpy()
        losses = -logs[np.arange(len(rows)), part["target"].numpy()]
        own = GROUPS.numbers[rows]
        means = np.array([losses[own == g].mean() if (own == g).any() else 0 for g in range(4)])
        q = q * np.exp(0.5 * (means + 2.0 / np.sqrt(counts)))
        q /= q.sum()
        assert objective.weights.numpy() == pytest.approx(q, rel=1e-5)
        assert float(loss.detach()) == pytest.approx(float(q @ means), rel=1e-5)


def test_a_step_moves_the_weights_once() -> None:
    """Not again when it is computed again, nor when a teacher is asked about the same batch."""
    model, objective = tiny_classifier(), WorstGroup(GROUPS, FOLLOWING, CrossEntropy().answers)
    part = batch([0, 2, 4, 7])
    first, _ = objective(model, part, random(5))
    moved = objective.weights.clone()
    with torch.no_grad():
        objective(tiny_classifier(seed=1), part, random(5))
    again, _ = objective(model, part, random(5))
    assert torch.equal(objective.weights, moved)
    assert torch.equal(first, again)
    objective(model, part, random(6))
    assert not torch.equal(objective.weights, moved)


def test_a_checkpoint_holds_the_weights() -> None:
    model, first = tiny_classifier(), WorstGroup(GROUPS, FOLLOWING, CrossEntropy().answers)
    first(model, batch([0, 2, 4]), random(0))
    second = WorstGroup(GROUPS, FOLLOWING, CrossEntropy().answers)
    second.load_state_dict(first.state_dict())
    for objective in (first, second):
        objective(model, batch([1, 3, 7]), random(1))
    assert torch.equal(first.weights, second.weights)


def test_equal_weights_of_equal_groups_are_the_mean() -> None:
    """Groups of one size, and weights that hardly move: the cross-entropy over images."""
    model, still = tiny_classifier(), Following(rate=1e-9)
    part = batch([0, 1, 2, 3])
    groups = Groups(np.array([0, 0, 1, 1]), ["a", "b"])
    loss, _ = WorstGroup(groups, still, CrossEntropy().answers)(model, part, random(0))
    expected, _ = CrossEntropy()(model, part, random(0))
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)


def placed(data: ImageData) -> ImageData:
    """The toy data with a column: where most images of a class are."""
    cells = ["sea" if number % 4 else "land" for number in range(len(data.train))]
    return ImageData(replace(data.train, columns={"place": cells}), None)


def test_every_gradient_method_takes_it(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    said: list[str] = []
    own = replace(context, tell=said.append)
    optim = Optim(lr=3e-3, epochs=1, batch_size=12, groups="place")
    data = placed(toy_data)
    for name in ("full", "lora"):
        plain = adapt.method(name, optim=replace(optim, groups="")).fit(start, data, context)
        first = adapt.method(name, optim=optim).fit(start, data, own)
        again = adapt.method(name, optim=optim).fit(start, data, context)
        assert bit_equal(weights(first), weights(again))
        assert not bit_equal(weights(first), weights(plain))
    assert any(sentence.startswith("6 groups; the smallest") for sentence in said)


def test_a_resumed_training_ends_with_the_same_weights(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    optim = Optim(lr=3e-3, epochs=2, batch_size=12, groups="place", group_rate=1.0)
    data, method = placed(toy_data), adapt.method("full", optim=optim)
    whole = method.fit(start, data, context)
    folder = tmp_path / "run"
    method.fit(start, data, replace(context, folder=folder))
    stored = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert stored["objective.weights"].max() > 1.1 / 6
    resumed = method.fit(start, data, replace(context, folder=folder, resume=True))
    assert bit_equal(weights(whole), weights(resumed))


def test_what_is_refused(start: Classifier, toy_data: ImageData, context: Context) -> None:
    with pytest.raises(ValueError, match=r"mixup - does not go with groups.*\n.*accumulate"):
        Optim(groups="place", mixup=0.2, accumulate=2)
    with pytest.raises(ValueError, match=r"optim\.groups - has no effect here"):
        adapt.method("flyp", optim=Optim(groups="place"))
    method = adapt.method("full", optim=Optim(groups="plaice", epochs=1))
    with pytest.raises(DataError, match="no such column - 'plaice'"):
        method.fit(start, placed(toy_data), context)
    balanced = replace(context, balance="uniform")
    with pytest.raises(ModelError, match=r"data\.balance - does not go with optim\.groups"):
        adapt.method("full", optim=Optim(groups="place")).fit(start, placed(toy_data), balanced)
