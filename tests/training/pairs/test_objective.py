"""Losses over pairs against numpy; one and two processes come to the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from adapt.data.sources.captions.pairs import captions_of
from adapt.models.classifier import Classifier
from adapt.training.pairs.objective import LOSSES, PairObjective, without_words
from adapt.training.pairs.sigmoid import begin_sigmoid
from tests.helpers.pairs import pair_data
from tests.training.pairs.test_sigmoid import slow_loss

OWN = [["a red kite", "a kite"], ["two dogs"], ["a boat"], ["two dogs"]]


def batch_of(index: list[int]) -> dict[str, Tensor]:
    pixels = torch.randn(len(index), 3, 32, 32, generator=torch.Generator().manual_seed(3))
    places = torch.tensor(index)
    return {"image": pixels, "index": places, "target": torch.zeros_like(places)}


def softmax_loss(similarity: np.ndarray, group: list[int]) -> float:
    """Row by row and column by column; other pairs of the same caption are left out."""
    total = 0.0
    for matrix in (similarity, similarity.T):
        for i in range(len(group)):
            seen = [j for j in range(len(group)) if j == i or group[j] != group[i]]
            total += np.log(np.exp(matrix[i, seen]).sum()) - matrix[i, i]
    return total / (2 * len(group))


@pytest.mark.numerical
@pytest.mark.parametrize("kind", LOSSES)
def test_the_loss_of_a_batch(kind: str, start: Classifier) -> None:
    """Images 1 and 3 have one caption: they are not pushed apart."""
    model, batch = start.clone(), batch_of([3, 0, 1])
    begin_sigmoid(model, 10.0, -10.0)
    objective = PairObjective(kind=kind, own=OWN)
    loss, _ = objective(model, batch, torch.Generator().manual_seed(0))
    texts, group, _ = objective.captioned(model, batch, torch.Generator().manual_seed(0))
    assert texts[0] == texts[2] == "two dogs"
    assert texts[1] in OWN[0]
    assert group[0] == group[2] != group[1]
    with torch.no_grad():
        images = model.features(batch["image"]).double().numpy()
        similarity = 10.0 * images @ model.backbone.encode_text(texts).double().numpy().T
    numbers = [0, 1, 0]
    slow = softmax_loss(similarity, numbers)
    if kind == "siglip":
        slow = slow_loss(similarity - 10.0, numbers, "mask")
    assert float(loss.detach()) == pytest.approx(slow, abs=1e-4)
    held = PairObjective(kind=kind, own=OWN, held_out=[own[-1:] for own in OWN])
    assert held.judges
    assert not objective.judges
    texts = [OWN[index][-1] for index in (3, 0, 1)]
    with torch.no_grad():
        similarity = 10.0 * images @ model.backbone.encode_text(texts).double().numpy().T
        slow = softmax_loss(similarity, numbers)
        if kind == "siglip":
            slow = slow_loss(similarity - 10.0, numbers, "mask")
        assert float(held.held_out_loss(model, batch)) == pytest.approx(slow, abs=1e-4)


def test_each_of_an_images_captions_is_drawn(start: Classifier) -> None:
    objective, batch = PairObjective(own=OWN), batch_of([0])
    drawn = {
        objective.captioned(start, batch, torch.Generator().manual_seed(seed))[0][0]
        for seed in range(12)
    }
    assert drawn == set(OWN[0])


def test_captions_are_those_of_the_images(tmp_path: Path) -> None:
    data = pair_data(tmp_path / "pairs", 3)
    for path, captions in zip(data.train.paths, captions_of(data.train), strict=True):
        words = Path(path).stem.rsplit("_", 1)
        assert captions[1] == f"{words[0].replace('_', ' ')}, drawing {words[1]}"


def test_words_are_left_out() -> None:
    words = [f"w{number}" for number in range(2000)]
    kept = without_words(" ".join(words), 0.3, torch.Generator().manual_seed(0)).split()
    assert [word for word in words if word in set(kept)] == kept, "the order stays"
    assert len(kept) / len(words) == pytest.approx(0.7, abs=0.04)
    assert without_words("a", 0.99, torch.Generator().manual_seed(1)) == "a"


def test_pairs_of_one_caption_stay_a_group_without_words(start: Classifier) -> None:
    objective = PairObjective(own=[["a b c d e f"], ["a b c d e f"], ["g"]], word_dropout=0.5)
    drawn = torch.Generator().manual_seed(0)
    texts, group, _ = objective.captioned(start, batch_of([0, 1, 2]), drawn)
    assert texts[0] != texts[1]
    assert group.tolist() == [0, 0, 1]
