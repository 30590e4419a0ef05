"""From a model to the page."""

from pathlib import Path

import pandas as pd
import pytest

from adapt.errors import BundleError, RecipeError
from adapt.explore.weak_spots.result import ClassChange, class_design, probe_weak_spots
from adapt.explore.weak_spots.settings import WeakSpotSettings
from tests.helpers.tiny import CLASSES, draw_folder, tiny_classifier

FEW = WeakSpotSettings(images=20, pairs=2)


def test_a_page_of_two_tasks(tmp_path: Path) -> None:
    done = probe_weak_spots(tiny_classifier(), FEW, only=["negation", "nearer"])
    assert list(done.content["tasks"]) == ["negation", "nearer"]
    assert len(done.content["similar_names"]) == 2
    text = done.write(tmp_path).read_text(encoding="utf-8")
    assert "negation" in text
    assert "<script" not in text
    assert "data:image/jpeg" in text
    with pytest.raises(RecipeError, match="exists"):
        done.write(tmp_path)


def test_other_classes_by_a_column(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "photos", dict.fromkeys(CLASSES, 4), 0)
    rows = [
        {"path": str(path.relative_to(root)), "label": path.parent.name, "site": str(place % 2)}
        for place, path in enumerate(sorted(root.rglob("*.png")))
    ]
    table = tmp_path / "photos" / "t.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    classifier = tiny_classifier()
    told = class_design(classifier, ClassChange(table, remove=["red_circle"]), "site")
    assert told["images"] == 12
    assert sum(group["images"] for group in told["groups"].values()) == 12
    assert all(start == "red_circle" for start, _, _ in told["pairs"])
    said = [prediction.label for prediction in classifier.predict(sorted(root.rglob("*.png")))]
    assert told["moved"] == said.count("red_circle")
    with pytest.raises(RecipeError, match="not a column"):
        class_design(classifier, ClassChange(table, remove=["red_circle"]), "sight")
    with pytest.raises(RecipeError, match="nothing to compare"):
        class_design(classifier, ClassChange(table), None)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a task"):
        probe_weak_spots(tiny_classifier(), FEW, only=["contuing"])
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(BundleError, match="no text encoder"):
        probe_weak_spots(tmp_path, FEW)
