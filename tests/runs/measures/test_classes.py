"""The class that lost most, counted by hand."""

import numpy as np
import pytest

from adapt.runs.measures.classes import lost_most
from adapt.runs.measures.scores import Outputs


def logits(answers: list[int]) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[answers]


def outputs(before: list[int], after: list[int]) -> Outputs:
    targets = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    both = {"zero_shot": {"val": logits(before)}, "mixed_probe": {"val": logits(after)}}
    return Outputs(["a", "b", "c"], {"val": targets}, both, {}, shipped="mixed_probe")


def test_the_class_with_the_largest_fall_is_named_with_its_images() -> None:
    lost = lost_most(outputs([0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1, 0, 2]), "val")
    assert lost is not None
    assert (lost["class"], lost["n"], lost["before"], lost["after"]) == ("c", 2, 1.0, 0.5)
    assert lost["difference"] == pytest.approx(-0.5)
    assert lost["ci"][0] <= -0.5 <= lost["ci"][1]
    assert lost["classes"] == 3


def test_of_equal_falls_the_class_with_more_images_counts() -> None:
    lost = lost_most(outputs([0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 0, 1, 2, 2]), "val")
    assert lost is not None
    assert lost["class"] == "a"


def test_no_class_is_named_where_none_lost() -> None:
    same = [0, 0, 0, 0, 1, 1, 2, 2]
    assert lost_most(outputs(same, same), "val") is None
    assert lost_most(outputs([1, 0, 0, 0, 1, 1, 2, 2], same), "val") is None
