"""The layout of the hub: open_clip loads it, and its page is the model card."""

import sys
from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import adapt
from adapt.cli.main import main
from adapt.export.write import export
from adapt.models.classifier import Classifier
from tests.helpers.exports import noise


def test_open_clip_loads_it_with_the_same_features(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "animals", "hub", card="---\nlicense: mit\n---\n# Card\n")
    assert (folder / "README.md").read_text() == "---\nlicense: mit\n---\n# Card\n"
    plain, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    images = [Image.fromarray(image) for image in noise(4)]
    with torch.inference_mode():
        theirs = plain.eval().encode_image(torch.stack([transform(image) for image in images]))
        ours = model.features(torch.stack([model.backbone.preprocessing(i) for i in images]))
    torch.testing.assert_close(F.normalize(theirs, dim=-1), ours, atol=1e-6, rtol=0)
    given = [answer.label for answer in adapt.load(folder).predict(noise(4))]
    assert given == [answer.label for answer in model.predict(noise(4))]


def test_a_short_card_without_that_of_a_run(model: Classifier, tmp_path: Path) -> None:
    text = (export(model, tmp_path / "animals", "hub") / "README.md").read_text()
    assert "\n# animals\n" in text
    assert "as an export to `hub` of adapt" in text
    assert "adapt push FOLDER owner/name" in text


def test_the_command_takes_the_card_of_the_run(
    model: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = model.save(tmp_path / "model", card="# The card of the run\n")
    words = ["adapt", "export", str(bundle), "--to", "hub", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert (tmp_path / "out" / "README.md").read_text() == "# The card of the run\n"
