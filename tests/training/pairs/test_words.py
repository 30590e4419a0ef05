"""A linear map from words to images against the normal equations; a text encoder learns it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import adapt
from adapt.data.sources.captions.pairs import captions_of
from adapt.errors import DataError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.pairs.words import PENALTIES, WordMap, WordObjective
from adapt.training.settings import Optim
from tests.helpers.pairs import pair_data
from tests.training.pairs.test_objective import batch_of

OWN = [["a red kite", "Kite, red!"], ["two dogs"], ["a boat"], ["red boat"], ["dogs run"]]


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def by_hand(texts: list[str], features: np.ndarray, penalty: float, asked: list[str]) -> np.ndarray:
    """Rare words count more; ridge regression with an intercept by the normal equations."""
    sets = [set(text.lower().replace(",", "").replace("!", "").split()) for text in texts]
    vocabulary = sorted(set.union(*sets))
    seen = np.array([sum(word in own for own in sets) for word in vocabulary])
    rare = np.log((1 + len(texts)) / (1 + seen)) + 1
    rows = unit(np.array([[(w in own) for w in vocabulary] for own in sets]) * rare)
    away = rows - rows.mean(0)
    wanted = features - features.mean(0)
    gram = away.T @ away + penalty * np.eye(len(vocabulary))
    weights = np.linalg.solve(gram, away.T @ wanted)
    new = unit(np.array([[(w in set(text.split())) for w in vocabulary] for text in asked]) * rare)
    return (new - rows.mean(0)) @ weights + features.mean(0)


@pytest.mark.numerical
def test_it_is_a_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.training.pairs.words.PENALTIES", (3.0,))
    random = np.random.default_rng(0)
    features = unit(random.normal(size=(len(OWN), 7)))
    own = WordMap.fit(OWN, torch.from_numpy(features))
    texts = [text for each in OWN for text in each]
    owner = [0, 0, 1, 2, 3, 4]
    asked = ["a red dogs", "kite", "two boat"]
    mean = features.mean(0)
    said = by_hand(texts, (features - mean)[owner], 3.0, asked)
    orthogonal = said - np.outer(said @ unit(mean), unit(mean))
    np.testing.assert_allclose(own.directions(asked).numpy(), unit(orthogonal), atol=1e-3)
    assert np.allclose(own.directions(asked).numpy() @ unit(mean), 0, atol=1e-6)


def test_the_penalty_is_chosen_on_other_images() -> None:
    """Words that tell nothing ask for the largest, words that tell everything for the smallest."""
    random, words = np.random.default_rng(0), ["kite", "dog", "boat"]
    axes = np.linalg.qr(random.normal(size=(8, 8)))[0][:3]
    noise = unit(random.normal(size=(30, 8)))
    captions = [[f"a {words[number % 3]}"] for number in range(30)]
    told = torch.from_numpy(unit(axes[np.arange(30) % 3] + 0.1 * noise))
    chosen = WordMap.fit(captions, told).regression["ridge"].alpha
    assert chosen == PENALTIES[0]
    said = WordMap.fit(captions, told).directions(["boat", "kite"])
    assert said[0] @ told[2].float() > 0.7 > 0 > said[1] @ told[2].float()


def test_captions_must_have_words() -> None:
    features = torch.eye(3)
    with pytest.raises(
        DataError, match=r"data\.train - captions without words - '!' - loss: words"
    ):
        WordMap.fit([["!"], ["?"], ["."]], features)
    with pytest.raises(DataError, match="too few images for loss: words - 2 - give 3 or more"):
        WordMap.fit([["a"], ["b"]], features[:2])


def test_a_text_without_a_known_word_has_no_direction() -> None:
    features = torch.nn.functional.normalize(torch.randn(len(OWN), 7), dim=1)
    own = WordMap.fit(OWN, features)
    assert abs(own.regression["ridge"].intercept_).max() > 1e-4
    said = own.directions(["!?", "", "zebra", "a zebra"])
    assert not said[:3].any()
    torch.testing.assert_close(said[3], own.directions(["a"])[0])
    assert said[3].norm().item() == pytest.approx(1)


@pytest.mark.numerical
def test_the_loss_is_one_minus_the_cosine(start: Classifier) -> None:
    features = torch.nn.functional.normalize(torch.randn(len(OWN), start.backbone.width), dim=1)
    objective = WordObjective(kind="words", own=OWN, word_map=WordMap.fit(OWN, features))
    batch = batch_of([1, 4])
    loss, (logits,) = objective(start, batch, torch.Generator())
    with torch.no_grad():
        own = start.backbone.encode_text(["two dogs", "dogs run"]).numpy()
    assert objective.word_map is not None
    wanted = objective.word_map.directions(["two dogs", "dogs run"]).numpy()
    assert loss.item() == pytest.approx(1 - (own * wanted).sum(1).mean(), abs=1e-5)
    assert logits.shape == (2, 2)
    parts = WordObjective(kind="words", own=OWN, word_map=objective.word_map, parts=2)
    assert parts(start, batch, torch.Generator())[0].item() == pytest.approx(loss.item(), abs=1e-6)


def test_a_text_encoder_learns_to_say_it(
    start: Classifier, context: Context, tmp_path: Path
) -> None:
    data = pair_data(tmp_path / "pairs")
    optim = Optim(lr=3e-3, epochs=30, batch_size=12)
    method = adapt.method("lit", loss="words", word_dropout=0.2, optim=optim)
    tuned = method.fit(start, data, context)
    objective = WordObjective(kind="words", own=captions_of(data.train))
    method.look_once(objective, start, data, context)
    texts = [text for own in captions_of(data.train) for text in own]
    assert objective.word_map is not None
    wanted = objective.word_map.directions(texts)
    with torch.no_grad():
        cosines = [
            float((model.backbone.encode_text(texts) * wanted).sum(1).mean())
            for model in (start, tuned)
        ]
    assert cosines[0] < 0.3
    assert cosines[1] > 0.6
    assert tuned.backbone.scale == start.backbone.scale, "nothing that the loss does not see"
