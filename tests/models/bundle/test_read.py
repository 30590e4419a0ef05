"""What is missing, altered or damaged in a bundle is named."""

from pathlib import Path

import pytest

from adapt.errors import BundleError
from adapt.models.bundle.manifest import ENCODERS, FILES
from adapt.models.classifier import Classifier, probe_error
from tests.helpers.bundles import forge


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte(name: str, folder: Path) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    for read in (Classifier.load, probe_error):
        with pytest.raises(BundleError) as caught:
            read(folder)
        assert caught.value.exit_code == 4
        assert str(caught.value).startswith(f"{folder / name} - altered - ")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} - missing - "):
        Classifier.load(folder)


def test_damaged_weights_with_the_right_hash(folder: Path) -> None:
    whole = (folder / ENCODERS).read_bytes()
    for content in (whole[: len(whole) // 2], b"\xff" * 64, b""):
        forge(folder, ENCODERS, content)
        with pytest.raises(BundleError, match="damaged weights"):
            Classifier.load(folder)
