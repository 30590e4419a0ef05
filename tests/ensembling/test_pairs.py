"""A line judged on pairs: its logits are those of CLIP's loss, whatever was encoded once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.data.sources.captions.pairs import captions_of
from adapt.ensembling.line import Line, mix
from adapt.ensembling.pairs import PairLine, PairSplit, text_features
from adapt.models.classifier import Classifier
from adapt.training.objectives import contrastive_loss
from adapt.training.settings import Runtime
from tests.helpers.pairs import pair_data
from tests.helpers.tiny import moved

RUNTIME = Runtime(accelerator="cpu", workers="0")


def by_hand(model: Classifier, split: PairSplit) -> np.ndarray:
    """Scaled cosines of images and captions, one image at a time."""
    own, images = model.backbone.preprocessing, split.images
    with torch.no_grad():
        seen = torch.cat([model.features(own(images.open(i))[None]) for i in range(len(images))])
        read = model.backbone.encode_text(split.captions)
        return np.asarray((model.backbone.scale * seen @ read.T).numpy())


@pytest.mark.parametrize("locked", [False, True])
def test_points_of_the_line(locked: bool, start: Classifier, tmp_path: Path) -> None:
    data = pair_data(tmp_path / "pairs", 3, None)
    tuned = moved(start, learned=False)
    if locked:
        tuned.backbone.image_encoder.load_state_dict(start.backbone.image_encoder.state_dict())
    line = PairLine(Line(start, tuned, RUNTIME), RUNTIME)
    assert line.same_images is locked
    split = PairSplit.read("val", data.train, start, RUNTIME)
    assert split.captions == [text for own in captions_of(data.train) for text in own]
    held = line.judge([0.0, 0.5, 1.0], split.held_out())
    assert held.targets.tolist() == [*range(9), *range(9)]
    for alpha in (0.0, 0.5, 1.0):
        model = mix(start, tuned, alpha)
        expected = by_hand(model, split.held_out())
        np.testing.assert_allclose(held.logits[alpha][:9], expected, atol=2e-4)
        np.testing.assert_allclose(held.logits[alpha][9:], expected.T, atol=2e-4)
        logs = torch.log_softmax(torch.from_numpy(held.logits[alpha]).double(), 1)
        loss = -logs[range(18), held.targets].mean()
        clip, _ = contrastive_loss(torch.from_numpy(expected).double(), torch.arange(9), "negative")
        assert float(loss) == pytest.approx(float(clip), abs=1e-4)
    features = line.features(0.5, split)
    assert features.texts.shape[0] == len(split.owner) == 18
    texts = text_features(mix(start, tuned, 0.5), split.captions, RUNTIME)
    torch.testing.assert_close(features.texts, texts)


def test_held_out_pairs_are_a_sample(
    start: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapt.ensembling.pairs.HELD_OUT_PAIRS", 4)
    data = pair_data(tmp_path / "pairs", 3, None)
    split = PairSplit.read("val", data.train, start, RUNTIME).held_out()
    assert len(split.captions) == len(split.images) == len(split.pixels) == 4
    assert split.captions == [own[0] for own in captions_of(split.images)]
