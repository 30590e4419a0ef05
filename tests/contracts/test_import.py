"""What `import adapt` needs and refuses, and what a machine that only predicts needs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import adapt
from adapt.data.labels.classes import ClassName

UNNEEDED = (
    "albumentations", "cv2", "lightning_fabric", "matplotlib", "omegaconf", "pandas", "peft",
    "pyarrow", "pydantic", "pytorch_lightning", "rich", "scipy", "sklearn", "tensorboard",
    "threadpoolctl", "torchmetrics", "typer",
)  # fmt: skip
PREDICT = f"""
import sys
for name in {UNNEEDED}:
    sys.modules[name] = None  # as if it were not installed
import adapt
images = [sys.argv[2], sys.argv[2]]
print([prediction.label for prediction in adapt.Classifier.load(sys.argv[1]).predict(images)])
"""


@pytest.mark.slow
def test_a_bundle_predicts_with_little_installed(tmp_path: Path) -> None:
    names = [ClassName("cat", "cat"), ClassName("dog", "dog")]
    classifier = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "red.png")
    expected = classifier.predict([str(tmp_path / "red.png")])[0].label
    folder = classifier.save(tmp_path / "model")
    given = [sys.executable, "-c", PREDICT, str(folder), str(tmp_path / "red.png")]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str([expected, expected]), done.stderr


@pytest.mark.parametrize("name", ["feature_based", "instance_based", "parameter_based"])
def test_the_other_package_of_this_name_is_refused(name: str, tmp_path: Path) -> None:
    source, target = Path(adapt.__file__).parent, tmp_path / "adapt"
    target.mkdir()
    for file in ("__init__.py", "errors.py", "version.py"):
        shutil.copy(source / file, target)
    given = [sys.executable, "-c", "import adapt; print(adapt.__version__)"]
    alone = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert alone.stdout.strip() == adapt.__version__
    (target / name).mkdir()
    mixed = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=False)
    sentence = rf"AdaptError: .*adapt - mixed with another package - {name} .* - pip uninstall"
    assert re.search(sentence, mixed.stderr), mixed.stderr
