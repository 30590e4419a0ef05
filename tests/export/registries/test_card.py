"""The page of a repository: the card of the run, or a short one."""

import json
from pathlib import Path

import yaml

from adapt.export.card import SHOWN
from adapt.export.registries.card import card_of
from adapt.models.classifier import Classifier
from tests.export.registries.conftest import CARD


def test_the_card_of_the_run_is_taken(shipped: dict[str, Path]) -> None:
    assert card_of(shipped["bundle"], "me/animals") == CARD


def test_a_short_card(shipped: dict[str, Path], model: Classifier) -> None:
    text = card_of(shipped["plain"], "me/animals")
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "open_clip",
        "pipeline_tag": "image-classification",
        "tags": ["clip", "open_clip", "adapt-clip"],
    }
    assert "\n# animals\n" in body
    assert "tells 3 classes apart, as a bundle of adapt" in body
    assert f"`{model.backbone.spec.base_hash}`" in body
    assert "adapt pull me/animals@COMMIT -o model" in body
    assert 'create_model_and_transforms("hf-hub:me/animals")' in body
    assert body.endswith("Classes:\n\n    zebra\n    été/1\n    a b\n")


def test_of_an_export(shipped: dict[str, Path]) -> None:
    text = card_of(shipped["export"], "me/animals")
    assert "as an export to `lean` of adapt" in text
    assert "create_model_and_transforms" not in text  # it has no text encoder


def test_names_stay_what_they_are(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(SHOWN)] + ["<b>\n\n# bold", "last"]
    names.insert(0, "a\n---\nb")
    base = {"arch": "`a`\n# b", "pretrained": "openai", "base_hash": "0" * 64}
    record = {"to": "lean", "adapt": "1", "base": base, "class_names": names, "files": {}}
    (tmp_path / "export.json").write_text(json.dumps(record))
    lines = card_of(tmp_path, "me/animals").splitlines()
    shown = lines[lines.index("Classes:") + 2 :]
    assert shown[:2] == ["    a --- b", "    c0"]
    assert len(shown) == SHOWN + 1
    assert shown[-1] == "    and 3 more"
    assert not {"# bold", "# b"} & set(lines)
