"""Plain open_clip, without a line of this package, gives the same features."""

from pathlib import Path

import numpy as np
import pytest

from adapt.errors import ModelError
from adapt.export.answers import answers_of
from adapt.export.write import export
from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.exports import noise
from tests.helpers.tiny import VIT, run_python

CODE = """
import sys
import numpy as np, open_clip, torch
from PIL import Image
from safetensors.torch import load_file
model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{sys.argv[1]}")
images = np.load(sys.argv[2])
pixels = torch.stack([transform(Image.fromarray(images[name])) for name in sorted(images)])
with torch.inference_mode():
    features = torch.nn.functional.normalize(model.eval().encode_image(pixels), dim=-1)
head = load_file(f"{sys.argv[1]}/head.safetensors")
assert "adapt" not in sys.modules
np.savez(sys.argv[3], features=features, logits=features @ head["weight"].T + head["bias"])
"""


def test_features_and_logits(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "out", "open_clip")
    images = noise(8)
    np.savez(tmp_path / "in.npz", **{f"{number}": image for number, image in enumerate(images)})
    run_python(CODE, tmp_path, str(folder), str(tmp_path / "in.npz"), str(tmp_path / "made.npz"))
    made, wanted = np.load(tmp_path / "made.npz"), answers_of(model, images)
    np.testing.assert_allclose(made["features"], wanted.features, atol=1e-6)
    assert (made["logits"].argmax(1) == wanted.probabilities.argmax(1)).all()


def test_features_that_open_clip_does_not_have(tmp_path: Path) -> None:
    start = learned(VIT)
    start.backbone = start.backbone.with_features("penultimate")
    with pytest.raises(ModelError, match="not those of open_clip - penultimate"):
        export(start, tmp_path / "out", "open_clip")
    assert not list(tmp_path.iterdir())
