"""The images that ship with the package."""

from pathlib import Path

import pytest

from adapt.data.sources.embedded import EMBEDDED, ScenesSource, from_embedded, from_scenes
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


def test_scenes_are_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = []
    for name in ("a", "b"):
        monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / name))
        scenes.append(from_scenes("emoji", "test", 12))
    first, second = scenes
    assert first.label_sets == second.label_sets
    files = [[Path(path).read_bytes() for path in own.paths] for own in scenes]
    assert files[0] == files[1]
    assert {len(labels) for labels in first.label_sets or []} <= {2, 3, 4}
    assert first.open(0).size == (96, 96)
    assert ScenesSource().several_labels
