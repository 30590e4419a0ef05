"""From a model and a table to `audit.json` and the page."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from adapt.data.sources.tables import from_frame
from adapt.errors import DataError, RecipeError
from adapt.explore.audit.result import audit
from adapt.explore.audit.settings import AuditSettings
from tests.helpers.tiny import CLASSES, draw_folder, moved, tiny_classifier

FEW = AuditSettings(min_images=3, cross=True)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = draw_folder(tmp_path_factory.mktemp("audit") / "photos", dict.fromkeys(CLASSES, 8), 0)
    rows = [
        {
            "path": path.relative_to(root).as_posix(),
            "label": path.parent.name,
            "site": "ab"[place % 2],
            "year": str(2020 + place % 3),
        }
        for place, path in enumerate(sorted(root.rglob("*.png")))
    ]
    pd.DataFrame(rows).to_csv(root / "t.csv", index=False)
    return root / "t.csv"


def test_a_page_and_its_numbers(table: Path, tmp_path: Path) -> None:
    start = tiny_classifier()
    model = moved(start)
    done = audit(model, table, ["site", "year"], FEW, ["gap > 100"], start)
    content = done.content
    assert list(content["columns"]) == ["site", "year", "site x year"]
    said = list(model.predict([str(p) for p in sorted(table.parent.rglob("*.png"))]))
    right = [p.label == Path(p.source).parent.name for p in said]
    for group in content["columns"]["site"]["groups"]:
        own = right["ab".index(group["name"]) :: 2]
        assert group["model"]["accuracy"]["value"] == pytest.approx(sum(own) / len(own))
    assert content["overall"]["start"] is not None
    assert content["limits"][0]["failed"] is False
    text = done.write(tmp_path).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "By site x year" in text
    assert json.loads((tmp_path / "audit.json").read_text("utf-8")) == content
    with pytest.raises(RecipeError, match="exists"):
        done.write(tmp_path)


def test_a_bundle_tells_why_there_is_no_start(table: Path, tmp_path: Path) -> None:
    bundle = tiny_classifier().save(tmp_path / "model")
    content = audit(bundle, table, ["site"], FEW_PLAIN).content
    assert content["no_start"].startswith("no run wrote this bundle")
    assert content["overall"]["start"] is None
    assert content["columns"]["site"]["groups"][0]["change"] is None


FEW_PLAIN = AuditSettings(min_images=3)


def test_images_that_cannot_be_read_are_named(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table)
    extra = pd.DataFrame([{"path": "gone.png", "label": CLASSES[0], "site": "a", "year": "2020"}])
    images = from_frame(pd.concat([frame, extra]), table.parent)
    content = audit(tiny_classifier(), images, ["site"], FEW_PLAIN).content
    assert len(content["unreadable"]) == 1
    assert "gone.png" in content["unreadable"][0]
    assert content["images"] == 24


def test_a_table_elsewhere_needs_a_root(table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "labels.csv"
    copy.write_bytes(table.read_bytes())
    model = tiny_classifier()
    there = audit(model, copy, ["site"], replace(FEW_PLAIN, root=str(table.parent))).content
    assert there["overall"] == audit(model, table, ["site"], FEW_PLAIN).content["overall"]


def test_what_is_refused(table: Path) -> None:
    model = tiny_classifier()
    with pytest.raises(RecipeError, match="not a column"):
        audit(model, table, ["sight"])
    frame = pd.read_csv(table).rename(columns={"label": "labels"})
    several = from_frame(frame, table.parent, separator="|")
    with pytest.raises(RecipeError, match="several labels per image"):
        audit(model, several, ["site"])
    with pytest.raises(DataError, match="unknown class"):
        audit(tiny_classifier(names=["red_circle", "dog"]), table, ["site"])
