"""ONNX in onnxruntime, from uint8 images of any size."""

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

pytest.importorskip("onnx")
CODE = """
import json, runpy, sys
import numpy as np, onnxruntime
from PIL import Image
folder = sys.argv[1]
own = json.load(open(f"{folder}/export.json"))
read = runpy.run_path(f"{folder}/preprocess.py")["read"]
session = onnxruntime.InferenceSession(f"{folder}/model.onnx")
whole, squares = [], []
for path in sys.argv[2:]:
    pixels = np.asarray(Image.open(path))
    whole.append(session.run(["probabilities"], {"images": pixels[None]})[0][0].tolist())
    squares.append(read(path, own["preprocessing"]))
batch = session.run(["probabilities"], {"images": np.stack(squares)})[0]
assert not {"torch", "adapt", "open_clip"} & set(sys.modules)
print(json.dumps([whole, batch.tolist()]))
"""


@pytest.mark.slow  # `.ci/run` goes this way on the command line
def test_without_torch(model: Classifier, tmp_path: Path) -> None:
    import json

    from PIL import Image

    folder = export(model, tmp_path / "out", "onnx")
    paths = []
    for number, image in enumerate(noise(8)):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(image).save(paths[-1])
    whole, squares = json.loads(run_python(CODE, tmp_path, str(folder), *paths))
    wanted = answers_of(model, noise(8)).probabilities
    np.testing.assert_allclose(whole, wanted, atol=1e-5)
    np.testing.assert_allclose(squares, wanted, atol=1e-5)
    loaded = adapt.load(folder)
    assert [p.labels for p in loaded.predict(paths)] == [p.labels for p in model.predict(paths)]


@pytest.mark.slow
@pytest.mark.parametrize("arch", [RESNET, TIMM, "cache", "neighbours"])
def test_other_encoders_and_heads(arch: str, tmp_path: Path) -> None:
    count = {"cache": 0, "neighbours": 2}.get(arch)
    model = full(learned(arch) if count is None else cached(learned(VIT), count))
    loaded = adapt.load(export(model, tmp_path / "out", "onnx"))
    for image in noise(8):
        case = differences(loaded.runtime(image[None]), answers_of(model, [image]))
        assert max(case["largest_difference"].values()) < 1e-4
        assert not any(case["verdicts_that_differ"].values())
