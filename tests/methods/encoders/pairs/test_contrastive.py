"""Training on pairs: what it learns, what it leaves, one and two processes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.data.sources.captions.pairs import captions_of
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from adapt.evaluation.metrics.retrieval import retrieval_ranks, retrieval_scores
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare
from adapt.training.settings import Optim
from tests.helpers.pairs import pair_data
from tests.helpers.tiny import CLASSES, bit_equal, weights

QUICK = Optim(lr=1e-3, epochs=1, batch_size=6)
LONG = Optim(lr=5e-3, epochs=25, batch_size=12)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    return pair_data(tmp_path_factory.mktemp("pairs") / "pairs")


def recall(model: Classifier, images: ImageList, k: int = 1) -> float:
    """Mean of both directions, of the captions that name colour and shape."""
    pixels = prepare(images, model.backbone.preprocessing)
    captions = [own[1] for own in captions_of(images)]
    with torch.no_grad():
        texts = model.backbone.encode_text(captions).numpy()
    seen = image_features(model.backbone, pixels, Context().runtime).numpy()
    scores = retrieval_scores(retrieval_ranks(seen, texts, np.arange(len(images))), [k])
    return sum(scores[way][f"recall@{k}"] for way in ("image_to_text", "text_to_image")) / 2


@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_it_learns_pairs(loss: str, start: Classifier, pairs: ImageData, context: Context) -> None:
    before = weights(start)
    tuned = adapt.method("contrastive", loss=loss, optim=LONG).fit(start, pairs, context)
    assert bit_equal(before, weights(start))
    assert recall(start, pairs.train, 3) < 0.5
    assert recall(tuned, pairs.train, 3) > recall(start, pairs.train, 3) + 0.25
    assert tuned.class_names == start.class_names == CLASSES
    assert weights(tuned).keys() == before.keys(), "no bias is left over"
    assert tuned.head_from_text
    rebuilt = tuned.clone().rebuild_head()
    torch.testing.assert_close(rebuilt.head.weight, tuned.head.weight, atol=1e-5, rtol=0)


def test_a_bias_that_was_there_trains(
    start: Classifier, pairs: ImageData, context: Context
) -> None:
    own = start.clone()
    own.backbone.model.logit_bias = torch.nn.Parameter(torch.tensor(-3.0))
    before = weights(own)
    tuned = adapt.method("contrastive", loss="siglip", optim=QUICK).fit(own, pairs, context)
    after = weights(tuned)["backbone.model.logit_bias"]
    assert after != before["backbone.model.logit_bias"]
    assert abs(float(after) + 3) < 0.1
    clip = adapt.method("contrastive", optim=QUICK).fit(own, pairs, context)
    assert weights(clip)["backbone.model.logit_bias"] == -3


@pytest.mark.slow
@pytest.mark.numerical
@pytest.mark.parametrize("loss", ["clip", "siglip"])
def test_two_processes_train_as_one(
    loss: str, start: Classifier, pairs: ImageData, context: Context
) -> None:
    """Each contrasts the pairs of both; the last batch has fewer pairs for one of them."""
    images = ImageData(pairs.train.subset(range(7)))
    method = adapt.method("contrastive", loss=loss, optim=replace(QUICK, batch_size=4))
    whole, shared = (
        weights(
            method.fit(
                start, images, replace(context, runtime=replace(context.runtime, devices=count))
            )
        )
        for count in (1, 2)
    )
    before = weights(start)
    moved, apart = (
        sum(float((value - other[name]).double().square().sum()) for name, value in whole.items())
        for other in (before, shared)
    )
    # Adam makes a step of full size of what rounding leaves of a gradient that is zero.
    assert apart < 1e-3 * moved


def test_prompts_of_classes_are_captions_too(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """With the softmax over classes' prompts it is FLYP, to the last bit."""
    flyp = adapt.method("flyp", optim=QUICK).fit(start, toy_data, context)
    same = adapt.method("contrastive", captions="prompts", optim=QUICK)
    assert bit_equal(weights(flyp), weights(same.fit(start, toy_data, context)))
    with pytest.raises(DataError, match="no captions"):
        adapt.method("contrastive", optim=QUICK).fit(start, toy_data, context)


def test_validation_is_logged(
    start: Classifier, pairs: ImageData, context: Context, tmp_path: Path
) -> None:
    own = replace(context, folder=tmp_path)
    adapt.method("contrastive", optim=replace(QUICK, epochs=2)).fit(start, pairs, own)
    header = (tmp_path / "log" / "metrics.csv").read_text().splitlines()[0].split(",")
    assert "val_loss" in header
    assert "val_accuracy" not in header


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "triplet"}, "loss - not known"),
        ({"bias": -3.0}, "bias - not in this loss"),
        ({"scale": 0.0}, "scale - out of range"),
        ({"captions": "prompts", "word_dropout": 0.3}, "word_dropout - not for prompts"),
        ({"optim": Optim(mixup=0.2)}, "optim.mixup - has no effect"),
    ],
)
def test_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adapt.method("contrastive", **settings)
