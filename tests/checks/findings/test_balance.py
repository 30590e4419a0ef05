"""Findings about the numbers of images, and whether the images asked for fix them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.checks.findings.balance import balance_findings, images_needed
from adapt.checks.findings.finding import LEVELS, Finding

COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 300), min_size=1)


def found(*given: object, **named: object) -> dict[str, Finding]:
    findings = balance_findings(*given, **named)  # type: ignore[arg-type]
    assert len({finding.kind for finding in findings}) == len(findings)
    assert all(finding.level in LEVELS for finding in findings)
    json.dumps([finding.details for finding in findings])
    return {finding.kind: finding for finding in findings}


def test_even_classes_have_no_fault() -> None:
    assert found({"train": {"a": 50, "b": 5}, "test": {"a": 1, "b": 1}}) == {}
    assert found({}) == {}


def test_imbalance() -> None:
    finding = found({"train": {"a": 101, "b": 10, "c": 7}})["imbalance"]
    assert finding.level == "warning"
    assert finding.details["ratio"] == 101 / 7
    assert finding.details["needed"] == {"c": 4, "b": 1}
    assert "5 more images in 2 classes" in finding.message
    assert "data.balance: uniform" in finding.fix
    assert "method.optim.class_weights: auto" in finding.fix
    assert "imbalance" not in found({"train": {"a": 100, "b": 10}})
    assert "imbalance" not in found({"train": {"a": 100}})


@given(COUNTS, st.sampled_from([1.0, 3.0, 10.0]))
def test_the_images_asked_for_are_the_fewest(counts: dict[str, int], ratio: float) -> None:
    needed = images_needed(counts, ratio)
    largest = max(counts.values())
    for key, count in counts.items():
        more = needed.get(key, 0)
        assert largest <= ratio * (count + more)
        assert more == 0 or largest > ratio * (count + more - 1)
    assert list(needed.values()) == sorted(needed.values(), reverse=True)


@given(COUNTS)
def test_small_classes(counts: dict[str, int]) -> None:
    findings = found({"train": counts})
    for kind, wanted in {"single_image_class": {1}, "small_class": {2, 3, 4}}.items():
        expected = {key: count for key, count in counts.items() if count in wanted}
        assert (kind in findings) == bool(expected)
        if expected:
            assert findings[kind].details["classes"] == expected
            more = findings[kind].details["needed"]
            assert all(count + more[key] == 5 for key, count in expected.items())


def test_shots_that_all_classes_have() -> None:
    assert "data.train.shots: 3" in found({"train": {"a": 9, "b": 4, "c": 3}})["small_class"].fix
    with_one = found({"train": {"a": 9, "b": 4, "c": 1}})
    assert with_one["small_class"].fix == "add at least 1 image to 'b'"
    assert with_one["single_image_class"].fix.startswith("add at least 4 images to it, ")


@pytest.mark.parametrize("splits_itself", [True, False])
def test_what_a_split_cannot_hold_out(splits_itself: bool) -> None:
    findings = found(
        {"train": {"a": 9, "b": 1, "c": 9}}, {"a": 4, "b": 1, "c": 1}, splits_itself=splits_itself
    )
    assert ("val score" in findings["single_image_class"].message) == splits_itself
    assert ("single_group_class" in findings) == splits_itself
    if splits_itself:
        assert findings["single_group_class"].details["classes"] == {"c": 9}


def test_classes_that_a_split_lacks_or_adds() -> None:
    findings = found(
        {
            "train": {"a": 9, "b": 9, "c": 0},
            "val": {"a": 2, "b": 0},
            "test": {"a": 2, "b": 1, "c": 3, "d": 1},
        }
    )
    assert findings["empty_class"].details["classes"] == ["c"]
    assert findings["empty_class"].level == findings["extra_class"].level == "error"
    assert findings["extra_class"].details["classes"] == {"test": ["c", "d"]}
    assert findings["missing_class"].details["classes"] == {"val": ["b"]}
    assert findings["missing_class"].level == "note"


def test_every_fix_names_what_to_do() -> None:
    findings = found(
        {"train": {"a": 90, "b": 1, "c": 3, "d": 0}, "test": {"e": 1}}, splits_itself=True
    )
    assert len(findings) == 6
    assert all("add" in finding.fix or "data." in finding.fix for finding in findings.values())
