"""The content of `robustness.json`, put together from logits that are made by hand."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from adapt.data.sources.folders import FolderSource
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from adapt.evaluation.evaluate import Split
from adapt.evaluation.robustness.groups import group_table
from adapt.evaluation.robustness.reference_models import ReferenceModel
from adapt.evaluation.robustness.shifts import corruption_error, flip_rate
from adapt.recipe.schema import Eval
from adapt.runs.measures.robustness import robustness_of

CLASSES, SIZES = 4, {"val": 12, "test": 40, "sketch": 30, "fog_1": 40, "fog_5": 40}
SOURCE = FolderSource("pets")
SPECS = {
    "test": Eval("test", source=SOURCE),
    "sketch": Eval("sketch", source=SOURCE),
    "fog_1": Eval("fog_1", of="test", shift="fog", severity=1),
    "fog_5": Eval("fog_5", of="test", shift="fog", severity=5),
}
SKILL = {"zero_shot": 0.4, "linear_probe": 0.8, "adapted": 1.6, "ensemble": 1.4}


def split(name: str, targets: np.ndarray, columns: dict[str, list[str]] | None = None) -> Split:
    paths = [f"/nowhere/{index}.png" for index in range(len(targets))]
    images = ImageList(paths, [f"class {one}" for one in targets], None, None, "/nowhere", {},
                    columns=columns or {})  # fmt: skip
    return Split(name, images, None, targets)  # type: ignore[arg-type]


@pytest.fixture
def splits() -> list[Split]:
    """Of four classes; `sketch` has the first three only, and a column."""
    random = np.random.default_rng(0)
    targets = {name: random.integers(0, CLASSES, size) for name, size in SIZES.items()}
    targets["sketch"] %= 3
    targets["fog_1"] = targets["fog_5"] = targets["test"]
    light = {"light": ["day", "night", ""] * 10}
    return [split(name, own, light if name == "sketch" else None) for name, own in targets.items()]


@pytest.fixture
def logits(splits: list[Split]) -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(1)
    return {
        model: {
            one.name: (
                random.normal(size=(len(one.targets), CLASSES))
                + skill * np.eye(CLASSES)[one.targets] * (0.5 if one.name != "test" else 1)
            ).astype(np.float32)
            for one in splits
        }
        for model, skill in SKILL.items()
    }


def plain_accuracy(logits: np.ndarray, targets: np.ndarray, classes: list[int]) -> float:
    """Accuracy on the images of some classes, choosing among these, one image at a time."""
    said = [
        max(classes, key=lambda k: row[k]) == target
        for row, target in zip(logits, targets, strict=True)
        if target in classes
    ]
    return sum(said) / len(said)


def test_the_whole_file(splits: list[Split], logits: dict[str, dict[str, np.ndarray]]) -> None:
    found = robustness_of(logits, splits, SPECS, "ensemble", "test")
    assert list(found) == ["format", "id", "shifts", "corruption_error", "flips", "groups"]
    assert (found["format"], found["id"]) == (1, "test")
    assert list(found["shifts"]) == ["sketch", "fog_1", "fog_5"]
    assert list(found["flips"]) == ["test", "sketch", "fog_1", "fog_5"]
    assert json.loads(json.dumps(found)) == found


def rising(name: str, lacks: bool = False) -> list[ReferenceModel]:
    """Twelve models that are better on a shift where they are better on the test set."""
    models = []
    for k in range(12):
        on_id, ood = 0.3 + 0.05 * k, 0.2 + 0.04 * k + 0.01 * (k % 2)
        matched = {name: on_id} if lacks else {}
        models.append(ReferenceModel(f"m{k}", 0.99 if lacks else on_id, {name: ood}, matched))
    return models


@pytest.mark.parametrize(("name", "classes"), [("sketch", [0, 1, 2]), ("fog_5", [0, 1, 2, 3])])
def test_shifts_are_matched_in_their_classes(
    splits: list[Split], logits: dict[str, dict[str, np.ndarray]], name: str, classes: list[int]
) -> None:
    others = rising(name, lacks=name == "sketch")
    found = robustness_of(logits, splits, SPECS, "ensemble", "test", others)["shifts"][name]
    targets = {one.name: one.targets for one in splits}
    point = {
        model: [plain_accuracy(logits[model][one], targets[one], classes) for one in ("test", name)]
        for model in SKILL
    }
    line = np.array([[0.3 + 0.05 * k, 0.2 + 0.04 * k + 0.01 * (k % 2)] for k in range(12)])
    slope, intercept = np.polyfit(*logit(line).T, 1)
    assert found["classes"] == (3 if name == "sketch" else None)
    low, high = found["fit"].pop("slope_ci")
    assert 0 < low < slope < high
    assert found["fit"] == pytest.approx({"slope": slope, "intercept": intercept, "models": 12})
    for model, (on_id, ood) in point.items():
        row = found["models"][model]
        assert (row["id"], row["ood"]) == pytest.approx((on_id, ood))
        assert row["effective"] == pytest.approx(ood - expit(slope * logit(on_id) + intercept))
        assert row["relative"] == pytest.approx(ood - point["zero_shot"][1])
        start = point["zero_shot"][0] - point["zero_shot"][1]
        closed = 1 - (on_id - ood) / start if start > 0 else None
        assert row["gap_closed"] == pytest.approx(closed)


def test_corruptions_of_id_are_paired_with_it(splits: list[Split]) -> None:
    """Where a corruption changes no answer, id and shift are the same to the last image."""
    random = np.random.default_rng(2)
    strength = {"zero_shot": 1.0, "adapted": 2.0, "ensemble": 1.5}
    targets = {one.name: one.targets for one in splits}
    test = {
        model: np.eye(CLASSES)[targets["test"]] * size + random.normal(size=(40, CLASSES))
        for model, size in strength.items()
    }
    logits = {model: {"test": one, "fog_1": one} for model, one in test.items()}
    chosen = [one for one in splits if one.name in ("test", "fog_1")]
    same = [ReferenceModel(f"m{k}", 0.3 + 0.05 * k, {"fog_1": 0.3 + 0.05 * k}) for k in range(12)]
    found = robustness_of(logits, chosen, SPECS, "ensemble", "test", same)["shifts"]["fog_1"]
    assert (found["fit"]["slope"], found["fit"]["intercept"]) == pytest.approx((1, 0), abs=1e-9)
    unpaired = SPECS | {"fog_1": Eval("fog_1", source=SOURCE)}
    apart = robustness_of(logits, chosen, unpaired, "ensemble", "test", same)["shifts"]["fog_1"]
    for model, row in found["models"].items():
        assert row["effective"] == pytest.approx(0, abs=1e-9)
        low, high = row["effective_ci"]
        wide = apart["models"][model]["effective_ci"]
        assert low <= 0 <= high
        assert high - low < 0.4 * (wide[1] - wide[0])


def test_the_parts_come_from_masked_logits(
    splits: list[Split], logits: dict[str, dict[str, np.ndarray]]
) -> None:
    found = robustness_of(logits, splits, SPECS, "adapted", "test")
    targets = {one.name: one.targets for one in splits}
    three = {model: logits[model]["sketch"][:, :3] for model in SKILL}
    sketch = targets["sketch"]
    assert found["flips"]["sketch"] == flip_rate(three["zero_shot"], three["adapted"], sketch)
    accuracy = {
        model: {fog: plain_accuracy(own[fog], targets[fog], [0, 1, 2, 3]) for fog in SPECS}
        for model, own in logits.items()
    }
    kinds = {"fog_1": "fog", "fog_5": "fog"}
    assert found["corruption_error"]["adapted"]["mean"] == pytest.approx(
        corruption_error(kinds, accuracy, "zero_shot")["adapted"]["mean"]
    )
    assert found["groups"] == {
        "sketch": {
            "light": group_table(
                splits[2].images.columns["light"],
                three["adapted"].argmax(1) == sketch,
                three["zero_shot"].argmax(1) == sketch,
            )
        }
    }


def test_only_reference_models_make_the_line(
    splits: list[Split], logits: dict[str, dict[str, np.ndarray]]
) -> None:
    """The models of the run have one start in common, and are to be compared with others."""
    found = robustness_of(logits, splits, SPECS, "ensemble", "test", rising("fog_1"))["shifts"]
    assert found["fog_1"]["fit"]["models"] == 12
    # No reference has an accuracy on the three classes of sketch; fog_5 was not measured.
    for name in ("sketch", "fog_5"):
        assert found[name]["fit"] is None
        assert found[name]["reason"] == "no reference models were measured on the shift"
        assert found[name]["models"]["ensemble"]["effective"] is None
        assert found[name]["models"]["ensemble"]["relative"] is not None


def test_a_shift_of_one_class_is_said(splits: list[Split]) -> None:
    chosen = [split("test", np.array([0, 1, 2])), split("sketch", np.array([2, 2]))]
    logits: dict[str, Any] = {
        model: {one.name: np.eye(CLASSES)[one.targets] for one in chosen}
        for model in ("zero_shot", "ensemble")
    }
    found = robustness_of(logits, chosen, SPECS, "ensemble", "test")["shifts"]["sketch"]
    assert (found["fit"], found["models"]) == (None, {})
    assert found["reason"].startswith("the shift has images of one class only")


def test_a_shift_that_shares_no_class_with_id_is_said(splits: list[Split]) -> None:
    chosen = [split("test", np.array([0, 1])), split("sketch", np.array([2, 3, 3]))]
    logits: dict[str, Any] = {
        model: {one.name: np.eye(CLASSES)[one.targets] for one in chosen}
        for model in ("zero_shot", "ensemble")
    }
    found = robustness_of(logits, chosen, SPECS, "ensemble", "test")
    assert found["shifts"]["sketch"] == {
        "classes": 2,
        "fit": None,
        "reason": "test has no image of the classes of sketch",
        "models": {},
    }
    assert found["flips"]["sketch"]["rate"] == 0


def test_val_can_be_id_and_id_can_be_missing(
    splits: list[Split], logits: dict[str, dict[str, np.ndarray]]
) -> None:
    found = robustness_of(logits, splits, SPECS, "ensemble", "val")
    assert list(found["shifts"]) == ["test", "sketch", "fog_1", "fog_5"]
    assert "val" not in found["flips"]
    without = robustness_of(logits, splits, SPECS, "ensemble", None)
    assert (without["id"], without["shifts"]) == (None, {})
    assert without["flips"] == found["flips"]
    with pytest.raises(DataError, match="no such set - 'tests', did you mean 'test'"):
        robustness_of(logits, splits, SPECS, "ensemble", "tests")


def test_without_corruptions_and_columns(
    splits: list[Split], logits: dict[str, dict[str, np.ndarray]]
) -> None:
    found = robustness_of(logits, splits[:2], SPECS, "ensemble", "test")
    assert (found["shifts"], found["corruption_error"], found["groups"]) == ({}, {}, {})


def test_columns_asked_for(splits: list[Split], logits: dict[str, dict[str, np.ndarray]]) -> None:
    images = replace(splits[1].images, groups=["a"] * 25 + ["b"] * 15,
                     columns={"site": ["x"] * 40, "note": [""] * 40})  # fmt: skip
    fog = replace(splits[3], images=images)
    changed = [splits[0], replace(splits[1], images=images), splits[2], fog, splits[4]]
    asked = ["group", "site", "note"]
    found = robustness_of(logits, changed, SPECS, "ensemble", "test", columns=asked)["groups"]
    # A corruption repeats the images of test, and sketch has none of these columns.
    assert list(found) == ["test"]
    assert list(found["test"]) == ["group", "site"]
    assert [row["ranked"] for row in found["test"]["group"]["rows"]] == [True, False]
