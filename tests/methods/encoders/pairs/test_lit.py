"""A locked image encoder stays bit for bit; the text encoder learns to read for it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import adapt
from adapt.methods.encoders.pairs.lit import LockedImageTuning
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.pairs.objective import PairObjective
from tests.helpers.pairs import pair_data
from tests.helpers.tiny import RESNET, tiny_classifier, weights
from tests.methods.encoders.pairs.test_contrastive import LONG, recall


@pytest.mark.parametrize("loss", ["clip", "siglip", "words"])
def test_the_image_encoder_is_locked(
    loss: str, start: Classifier, context: Context, tmp_path: Path
) -> None:
    data = pair_data(tmp_path / "pairs")
    tuned = adapt.method("lit", loss=loss, optim=LONG).fit(start, data, context)
    before, after = weights(start), weights(tuned)
    for name, value in before.items():
        visual = name.startswith("backbone.model.visual.")
        untouched = visual or (loss == "words" and name == "backbone.model.logit_scale")
        assert torch.equal(value, after[name]) is untouched or name == "head.bias", name
    assert recall(tuned, data.train, 5) > recall(start, data.train, 5) + 0.2


def test_settings_that_words_have_no_use_for() -> None:
    wrong = "image_projection - not with loss: words - True.*\n?.*captions - not with loss: words"
    with pytest.raises(ValueError, match=wrong):
        LockedImageTuning(loss="words", image_projection=True, captions="prompts")
    with pytest.raises(ValueError, match=r"loss - .* - 'words' - "):
        adapt.method("contrastive", loss="words")


def test_statistics_of_batch_norms_are_locked_too(context: Context, tmp_path: Path) -> None:
    start, data = tiny_classifier(RESNET), pair_data(tmp_path / "pairs", 3)
    tuned = adapt.method("lit", optim=LONG.__class__(lr=1e-3, epochs=1, batch_size=4))
    after = weights(tuned.fit(start, data, context))
    for name, value in weights(start).items():
        if name.startswith("backbone.model.visual."):
            assert torch.equal(value, after[name]), name


@pytest.mark.parametrize("image_projection", [False, True])
def test_without_augmentation_images_are_encoded_once(
    image_projection: bool, start: Classifier, context: Context, tmp_path: Path
) -> None:
    """The result is that of encoding them in every step."""
    data, plain = pair_data(tmp_path / "pairs"), replace(context, augmentation="none")
    method = LockedImageTuning(image_projection=image_projection, optim=replace(LONG, epochs=2))
    kept, drawn = PairObjective(), PairObjective()
    method.look_once(kept, start, data, plain)
    method.look_once(drawn, start, data, replace(context, augmentation="clip"))
    assert kept.features is not None
    assert (len(kept.features), drawn.features) == (len(data.train), None)
    assert kept.before_projection is image_projection
    once = weights(method.fit(start, data, plain))
    method.look_once = lambda *_: None  # type: ignore[method-assign]
    each = weights(method.fit(start, data, plain))
    for name, value in once.items():
        # Biases of keys change nothing: their gradient is rounding, of which Adam takes steps.
        if not name.endswith("in_proj_bias"):
            torch.testing.assert_close(value, each[name], atol=1e-4, rtol=1e-3, msg=name)


def test_the_projection_alone_may_train(
    start: Classifier, context: Context, tmp_path: Path
) -> None:
    method = LockedImageTuning(image_projection=True, optim=replace(LONG, epochs=2))
    tuned = method.fit(start, pair_data(tmp_path / "pairs"), context)
    after = weights(tuned)
    changed = [
        name for name, value in weights(start).items()
        if name.startswith("backbone.model.visual.") and not torch.equal(value, after[name])
    ]  # fmt: skip
    assert changed == ["backbone.model.visual.proj"]


def test_a_projection_with_a_bias_is_met_by_what_each_step_encodes(
    context: Context, tmp_path: Path
) -> None:
    start, data = tiny_classifier(RESNET), pair_data(tmp_path / "pairs", 3)
    method = LockedImageTuning(image_projection=True, optim=replace(LONG, epochs=1, batch_size=4))
    objective = PairObjective()
    method.look_once(objective, start, data, replace(context, augmentation="none"))
    assert objective.features is None
    before = weights(start)
    after = weights(method.fit(start, data, replace(context, augmentation="none")))
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert {name for name in moved if ".visual." in name} == {
        "backbone.model.visual.attnpool.c_proj.weight"
    }
