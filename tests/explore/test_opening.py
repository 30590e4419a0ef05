"""A model that is looked into."""

from pathlib import Path

import pytest

from adapt.errors import BundleError
from adapt.explore.opening import name_of, open_bundle
from tests.helpers.tiny import bit_equal, tiny_classifier, weights


def test_a_run_folder_a_bundle_and_a_classifier(tmp_path: Path) -> None:
    classifier = tiny_classifier()
    classifier.save(tmp_path / "run" / "model")
    assert open_bundle(classifier, "layers") is classifier
    for given in (tmp_path / "run", tmp_path / "run" / "model"):
        assert bit_equal(weights(open_bundle(given, "layers")), weights(classifier))
        assert name_of(given) == "run"
    assert name_of(classifier) == "the given model"


def test_an_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(BundleError, match=r"an export has no layers - .* - give the bundle"):
        open_bundle(tmp_path, "layers")
