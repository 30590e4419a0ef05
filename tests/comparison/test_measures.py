"""Every number of a comparison against loops over the images."""

import numpy as np
import pytest

from adapt.comparison.answers import PairedSet
from adapt.comparison.measures import common_classes, matched, set_measures, shift_mean
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from tests.helpers.paired import many, paired, said
from tests.helpers.tiny import CLASSES


@pytest.fixture
def images(toy_test: ImageList) -> ImageList:
    """180 drawings with a column that sorts them."""
    return many(toy_test, columns={"camera": [f"cam {n % 3}" for n in range(180)]})


def answers(pair: PairedSet, side: str, names: list[str]) -> list[tuple[str, float]]:
    """Label and confidence of each image among some classes, by a loop."""
    own = getattr(pair, side)
    rows = []
    for row in own.probabilities:
        kept = {name: row[own.class_names.index(name)] for name in names}
        best = max(kept, key=lambda name: kept[name])
        rows.append((best, kept[best] / sum(kept.values())))
    return rows


def test_flips_classes_and_groups_by_a_loop(images: ImageList) -> None:
    pair = paired(images)
    measured = set_measures(matched(pair, CLASSES))
    before, after = answers(pair, "a", CLASSES), answers(pair, "b", CLASSES)
    flips: dict[str, list[tuple[float, int]]] = {"fixed": [], "broken": []}
    changed = 0
    for row, label in enumerate(images.labels):
        old, new = before[row][0] == label, after[row][0] == label
        changed += before[row][0] != after[row][0]
        if old != new:
            flips["fixed" if new else "broken"].append((-after[row][1], row))
    assert measured["changed"] == changed
    for kind, expected in flips.items():
        given = [flip for flip in measured["flips"] if flip["kind"] == kind]
        assert [flip["row"] for flip in given] == [row for _, row in sorted(expected)]
        assert measured["accuracy"][kind] == len(expected)
        for flip in given:
            row = flip["row"]
            assert (flip["a"]["label"], flip["b"]["label"]) == (before[row][0], after[row][0])
            assert flip["b"]["confidence"] == pytest.approx(after[row][1])
            assert flip["path"] == images.relative(row)
    for what, cells in (("per_class", images.labels), ("camera", images.columns["camera"])):
        table = measured["per_class"] if what == "per_class" else measured["groups"][what]
        assert {row["name"] for row in table} == set(cells)
        assert [row["difference"] for row in table] == sorted(row["difference"] for row in table)
        for row in table:
            own = [place for place, cell in enumerate(cells) if cell == row["name"]]
            for side, said_by in (("a", before), ("b", after)):
                hits = sum(said_by[place][0] == images.labels[place] for place in own)
                assert row[side] == pytest.approx(hits / len(own))
        least = min(row["p"] for row in table)
        assert min(row["p_holm"] for row in table) == pytest.approx(min(1.0, least * len(table)))


def test_calibration_sets_and_abstention_by_a_loop(images: ImageList) -> None:
    pair = paired(images)
    measured = set_measures(matched(pair, CLASSES))
    for side in ("a", "b"):
        own, rows = getattr(pair, side), answers(pair, side, CLASSES)
        gaps = np.zeros(15)
        for (label, confidence), true in zip(rows, images.labels, strict=True):
            gaps[min(int(np.ceil(confidence * 15)) - 1, 14)] += confidence - (label == true)
        assert measured["scores"][side]["ece"] == pytest.approx(np.abs(gaps).sum() / len(rows))
        covered = sum(
            bool(row[CLASSES.index(true)])
            for row, true in zip(own.sets, images.labels, strict=True)
        )
        assert measured["sets"][side]["coverage"] == pytest.approx(covered / len(rows))
        assert measured["sets"][side]["size"] == pytest.approx(own.sets.sum() / len(rows))
        kept = [place for place in range(len(rows)) if not own.abstained[place]]
        right = sum(rows[place][0] == images.labels[place] for place in kept)
        assert measured["answered"][side]["coverage"] == pytest.approx(len(kept) / len(rows))
        assert measured["answered"][side]["accuracy"] == pytest.approx(right / len(kept))


def test_other_classes_are_left_out(images: ImageList) -> None:
    names = ["red_circle", "blue_square", "dog"]
    pair = PairedSet("test", images, said(images, 0, 0.6), said(images, 1, 1.4, names))
    shared = common_classes(pair.a.class_names, names)
    assert shared == ["blue_square", "red_circle"]
    measured = set_measures(matched(pair, shared))
    assert measured["left_out"] == 60
    assert measured["accuracy"]["n"] == 120
    before, after = answers(pair, "a", shared), answers(pair, "b", shared)
    for side, rows in (("a", before), ("b", after)):
        kept = [
            rows[place][0] == label for place, label in enumerate(images.labels) if label in shared
        ]
        assert measured["accuracy"][side] == pytest.approx(np.mean(kept))


def test_only_classes_that_occur_can_be_answered(images: ImageList) -> None:
    rows = [place for place, label in enumerate(images.labels) if label != "green_cross"]
    pair = paired(images.subset(rows))
    measured = set_measures(matched(pair, CLASSES))
    assert measured["classes"] == 2
    present = answers(pair, "b", ["blue_square", "red_circle"])
    hits = [label == true for (label, _), true in zip(present, pair.images.labels, strict=True)]
    assert measured["accuracy"]["b"] == pytest.approx(np.mean(hits))


def test_what_only_one_model_stores_is_not_compared(images: ImageList) -> None:
    pair = paired(images)
    bare = PairedSet("test", images, pair.a, type(pair.b)(CLASSES, pair.b.probabilities))
    measured = set_measures(matched(bare, CLASSES))
    assert measured["answered"] is None
    assert measured["sets"] is None


def test_a_shift_is_named(toy_test: ImageList) -> None:
    pair = paired(toy_test.with_shift(Shift("fog", 3)), "fog")
    assert set_measures(matched(pair, CLASSES))["shift"] == {"kind": "fog", "severity": 3}


def test_too_few_classes_and_strange_images_are_refused(images: ImageList) -> None:
    with pytest.raises(DataError, match=r"1 class in common - A knows a, b; B knows b, c"):
        common_classes(["a", "b"], ["b", "c"])
    pair = PairedSet(
        "test", images, said(images, 0, 1.0, ["x", "y"]), said(images, 0, 1.0, ["x", "y"])
    )
    with pytest.raises(DataError, match="blue_square"):
        matched(pair, ["x", "y"])
    known = PairedSet("test", images, said(images, 0, 1.0, ["x", "y", *CLASSES]), pair.b)
    with pytest.raises(DataError, match="no image of a class that both models know"):
        matched(known, ["x", "y"])


def test_the_mean_of_shifts(images: ImageList) -> None:
    rows = [
        set_measures(matched(paired(images, "s", seed), CLASSES))["accuracy"] for seed in (3, 7)
    ]
    mean = shift_mean(rows)
    assert mean is not None
    assert mean["difference"] == pytest.approx((rows[0]["difference"] + rows[1]["difference"]) / 2)
    assert mean["ci"] == pytest.approx(np.mean([row["ci"] for row in rows], axis=0))
    assert shift_mean([]) is None
