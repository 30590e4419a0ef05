"""The golden delta still gives the golden weights; both commands say what they wrote."""

import sys
import zipfile
from pathlib import Path

import pytest

from adapt.cli.main import main
from adapt.errors import BundleError
from adapt.export.delta import restore, write_delta
from adapt.models.classifier import Classifier, verify_bundle
from tests.helpers.tiny import bit_equal, weights

GOLDEN = Path(__file__).parents[1] / "fixtures" / "bundle_format_2.zip"


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """`model`, its `delta`, and the `base` of both, as format 2 was fixed with."""
    with zipfile.ZipFile(GOLDEN) as packed:
        packed.extractall(tmp_path)
    return tmp_path


def test_the_golden_delta(golden: Path) -> None:
    whole = Classifier.load(golden / "model")
    small = Classifier.load(golden / "delta", golden / "base")
    assert bit_equal(weights(small), weights(whole))
    assert verify_bundle(golden / "delta", golden / "base").wrong == ""
    back = restore(golden / "delta", golden / "back", golden / "base").folder
    for path in (golden / "model").iterdir():
        assert (back / path.name).read_bytes() == path.read_bytes()


def test_without_its_base(golden: Path) -> None:
    with pytest.raises(BundleError, match=r"pretrained weights are not at hand.*--base"):
        Classifier.load(golden / "delta")
    with pytest.raises(BundleError, match=r"pretrained weights are not at hand.*--base"):
        write_delta(golden / "model", golden / "new")
    assert not (golden / "new").exists()


def test_nothing_to_restore(golden: Path) -> None:
    with pytest.raises(BundleError, match="has its encoders already - nothing to restore"):
        restore(golden / "model", golden / "copy", golden / "base")
    assert not (golden / "copy").exists()


def test_commands(
    golden: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["delta", "model", "--out", "a"], ["restore", "delta", "--out", "b"]):
        command = [words[0], str(golden / words[1]), words[2], str(golden / words[3])]
        monkeypatch.setattr(sys, "argv", ["adapt", *command, "--base", str(golden / "base")])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
    said = capsys.readouterr().out
    checked = [verify_bundle(golden / name, golden / "base") for name in "ab"]
    first = [line for line in said.splitlines() if "compared" in line]
    assert first == [
        "answers were compared with those of the model: probabilities of the stored images differ "
        f"by at most {own.probabilities:.1e} (rounding explains {own.allowed:.1e})"
        for own in checked
    ]
    assert said.splitlines()[0] == first[0]
    size = (golden / "a" / "delta.safetensors").stat().st_size
    assert size < 1_000
    assert f"{golden / 'a' / 'delta.safetensors'}  {size} bytes" in said
    assert f"{golden / 'b' / 'open_clip_model.safetensors'}  1.6 MB" in said
