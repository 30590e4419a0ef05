"""The program runs where only torch is."""

from pathlib import Path

import numpy as np
import pytest

import adapt
from adapt.export.answers import answers_of
from adapt.export.parity import differences
from adapt.export.write import export
from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.exports import cached, full, noise
from tests.helpers.tiny import RESNET, TIMM, VIT, run_python

CODE = """
import sys
import numpy as np, torch
module = torch.export.load(f"{sys.argv[1]}/model.pt2").module()
images = np.load(sys.argv[2])
assert not {"adapt", "open_clip"} & set(sys.modules)
made = {name: module(torch.from_numpy(images[name])[None])[0].numpy()[0] for name in images}
np.savez(sys.argv[3], **made)
"""


def test_images_of_any_size_without_this_package(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "out", "torch")
    images = noise(8)
    np.savez(tmp_path / "in.npz", **{f"{number}": image for number, image in enumerate(images)})
    run_python(CODE, tmp_path, str(folder), str(tmp_path / "in.npz"), str(tmp_path / "made.npz"))
    made, wanted = np.load(tmp_path / "made.npz"), answers_of(model, images)
    for number, row in enumerate(wanted.probabilities):
        np.testing.assert_allclose(made[f"{number}"], row, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("arch", [RESNET, TIMM, "cache", "neighbours"])
def test_other_encoders_and_heads(arch: str, tmp_path: Path) -> None:
    count = {"cache": 0, "neighbours": 2}.get(arch)
    model = full(learned(arch) if count is None else cached(learned(VIT), count))
    loaded = adapt.load(export(model, tmp_path / "out", "torch"), trust=True)
    for image in noise(8):
        case = differences(loaded.runtime(image[None]), answers_of(model, [image]))
        assert max(case["largest_difference"].values()) < 1e-5
        assert not any(case["verdicts_that_differ"].values())
