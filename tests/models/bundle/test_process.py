"""Another process has the last word."""

from pathlib import Path

import pytest

from adapt.errors import BundleError
from adapt.models import classifier
from adapt.models.bundle.manifest import HEAD
from adapt.models.bundle.process import verify_in_another_process
from adapt.models.classifier import Classifier
from tests.helpers.bundles import edit_tensors, learned
from tests.helpers.tiny import VIT


@pytest.fixture(autouse=True)
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere bundles are checked in the process of the tests."""
    monkeypatch.setattr(classifier, "verify_in_another_process", verify_in_another_process)


@pytest.mark.slow
def test_what_only_another_process_can_say(folder: Path, tmp_path: Path) -> None:
    """It knows neither the name of the architecture nor the folder of the weights."""
    learned(VIT).save(tmp_path / "again", another_process=True)
    edit_tensors(folder, HEAD, lambda state: state["bias"].add_(1))
    with pytest.raises(BundleError, match=r"a fresh process cannot use it - .*other answers"):
        verify_in_another_process(folder)


def test_where_there_is_no_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    before = Classifier.load(folder).temperature
    other = learned(VIT).with_temperature(3.0)
    with pytest.raises(BundleError, match="cannot be checked"):
        other.save(folder, another_process=True)
    assert Classifier.load(folder).temperature == before
