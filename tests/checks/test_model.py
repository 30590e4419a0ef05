"""Labels, names and leaks as a model sees them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from adapt.checks.check import check
from adapt.checks.findings.copies import Copies
from adapt.checks.findings.finding import Place
from adapt.checks.findings.measure import Picture
from adapt.checks.model import View, leak_free
from adapt.data.sources.embedded import EMBEDDED
from tests.helpers.planted import clean
from tests.helpers.tiny import VIT


def test_labels_that_were_swapped_are_suspected_and_only_listed_on_request(tmp_path: Path) -> None:
    root, known = tmp_path / "photos", EMBEDDED / "pictograms" / "emoji" / "train"
    for label in ("vehicle", "flower"):
        (root / label).mkdir(parents=True)
        for index, path in enumerate(sorted((known / label).iterdir())[:20]):
            shutil.copy(path, root / label / f"{index}.png")
    shutil.move(root / "vehicle/3.png", root / "flower/vehicle-3.png")
    found = check(root)
    [one] = [one for one in found.findings if one.kind == "suspected_label"]
    assert one.places[0][0].path == "flower/vehicle-3.png"
    assert one.details["suggested"][0] == "vehicle"
    listed = tmp_path / "list.txt"
    assert [line.path for line in found.write_exclusions(listed)] == []
    assert "flower/vehicle-3.png" in {
        line.path for line in found.write_exclusions(listed, labels=True)
    }


def view(targets: list[int], splits: list[str], features: np.ndarray, leaks: list[int]) -> View:
    names = ["cat", "dog", "cow"]
    content = np.arange(len(targets))
    for leak in leaks:
        content[leak] = 0
    copies = Copies(content, np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
    places = [
        Place(split, f"{index}.png", names[target])
        for index, (split, target) in enumerate(zip(splits, targets, strict=True))
    ]
    return View(places, [Picture(str(one)) for one in content], features, copies, {})


def test_leak_free_accuracy_is_that_of_a_probe_on_what_is_left() -> None:
    random = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], 40)
    features = random.normal(0, 1, (120, 8)) + 2.5 * np.eye(8)[targets]
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    order = random.permutation(120)
    targets, features = targets[order], features[order]
    splits = ["train"] * 60 + ["test"] * 40 + ["other"] * 20
    leaks = [61, 70, 99]
    found = leak_free(view(targets.tolist(), splits, features, leaks))
    probe = LogisticRegression(C=10.0, max_iter=5000).fit(features[:60], targets[:60])
    right = probe.predict(features) == targets
    clean_rows = [row for row in range(60, 100) if row not in leaks]
    assert found["test"]["leaked"] == 3
    assert found["test"]["accuracy"] == pytest.approx(right[60:100].mean(), abs=0.03)
    assert found["test"]["leak_free_accuracy"] == pytest.approx(right[clean_rows].mean(), abs=0.03)
    assert found["other"]["leaked"] == 0
    assert found["other"]["accuracy"] == found["other"]["leak_free_accuracy"]


def test_names_are_read_and_answered(tmp_path: Path) -> None:
    root = clean(tmp_path / "photos")
    for split in ("train", "test"):
        (root / split / "dog").rename(root / split / "n02084071")
    [alone] = check(root, model=None).findings
    assert (alone.kind, alone.details["classes"][0]["name"]) == ("unreadable_name", "n02084071")
    judged = {one.kind: one for one in check(root, model=VIT, pretrained="random").findings}
    assert judged["unreadable_name"].details["classes"][0]["images"] == 9
