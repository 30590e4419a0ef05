"""The images that ship with the package."""

from pathlib import Path

import pytest

from adapt.data.sources.embedded import EMBEDDED, from_embedded
from tests.helpers.packed import draw, refused


def test_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "shapes/ink/train/alarm_clock/1.png")
    draw(tmp_path / "shapes/ink/train/cat/1.png")
    (tmp_path / "shapes/classes.yaml").write_text("alarm_clock: clock\nfox: fox\n")
    monkeypatch.setattr("adapt.data.sources.embedded.EMBEDDED", tmp_path)
    images = from_embedded("shapes", "ink", "train")
    assert [images.classes[key].words for key in images.class_names] == ["clock", "cat"]
    assert images.notes == []
    for wrong in (
        ("shape", "ink", "train"),
        ("shapes", "inc", "train"),
        ("shapes", "ink", "trian"),
    ):
        assert "did you mean" in refused(from_embedded, *wrong)


@pytest.mark.skipif(not (EMBEDDED / "pictograms").is_dir(), reason="pictograms are not built yet")
def test_pictograms_can_be_opened() -> None:
    for domain in sorted(p.name for p in (EMBEDDED / "pictograms").iterdir() if p.is_dir()):
        images = from_embedded("pictograms", domain, "test")
        assert images.open(0).mode == "RGB"
