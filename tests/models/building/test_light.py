"""`adapt predict` leaves out what most models do not need."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.tiny import tiny_classifier

HEAVY = (
    "transformers",
    "timm",
    "torch._dynamo",
    "pytorch_lightning",
    "pandas",
    "matplotlib",
    "scipy",
    "albumentations",
)
PROGRAM = """
import sys
from adapt.cli.app import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    print([name for name in {heavy} if sys.modules.get(name) is not None])
    import open_clip, transformers  # both are whole for whoever comes later
    from adapt.models.building.libraries import find_timm, find_transformers
    find_transformers()
    find_timm()
    assert open_clip.model.TimmModel is open_clip.timm_model.TimmModel
    assert open_clip.timm_model.timm.__name__ == "timm"
    import torch._dynamo
    roi = sys.modules["torchvision.ops.roi_align"]
    assert roi.is_compile_supported("cpu") == torch._dynamo.utils.is_compile_supported("cpu")
    print(open_clip.model.HFTextEncoder.__module__, open_clip.hf_model.transformers.__name__)
"""


@pytest.mark.slow
def test_predicting_imports_no_library_that_it_does_not_need(tmp_path: Path) -> None:
    tiny_classifier().save(tmp_path / "model")
    Image.new("RGB", (40, 40), (200, 0, 0)).save(tmp_path / "image.png")
    words = ["predict", "model", "image.png", "-o", "table.csv"]
    program = PROGRAM.format(heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["[]", "open_clip.hf_model transformers"]
    assert (tmp_path / "table.csv").read_text().count("\n") == 2
