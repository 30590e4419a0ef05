"""A support set: what it refuses, and the views of its images by hand."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from adapt.errors import DataError
from adapt.methods.features.support import Support

VIEWS = torch.eye(4)[None, :3]
GOOD = Support(VIEWS, torch.tensor([0, 1, 1]), 5 * torch.eye(4)[:2])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"views": VIEWS[:, :2]}, "shapes do not fit - features \\(2, 4\\), 3 targets, width 4"),
        (
            {"zero_shot": torch.eye(3)},
            "shapes do not fit - features \\(3, 4\\), 3 targets, width 3",
        ),
        (
            {"views": VIEWS[:, :0], "targets": torch.tensor([], dtype=torch.long)},
            "empty - 0 images",
        ),
        ({"views": VIEWS / 0}, "not finite - NaN or infinity in 3 rows, first 0"),
        ({"targets": torch.tensor([0, 1, 2])}, "class number out of range - 0 to 2 of 2 classes"),
        ({"targets": torch.tensor([0, 1, -1])}, "class number out of range - -1 to 1 of 2 classes"),
        ({"views": 2 * VIEWS}, "not of unit length - lengths from 2.000 to 2.000"),
        (
            {"val": (VIEWS[0], torch.tensor([0]))},
            "shapes do not fit - features \\(3, 4\\), 1 targets",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^support - {message}"):
        replace(GOOD, **wrong)


def test_views_of_an_image() -> None:
    """The mean of two views at a right angle lies between them, at unit length."""
    support = replace(GOOD, views=torch.stack([VIEWS[0], VIEWS[0].roll(1, 0)]))
    features, targets = support.all_views
    assert targets.tolist() == [0, 1, 1, 0, 1, 1]
    assert torch.equal(features, torch.cat([VIEWS[0], VIEWS[0].roll(1, 0)]))
    half = 0.5**0.5
    expected = torch.tensor([[half, 0, half, 0], [half, half, 0, 0], [0, half, half, 0]])
    torch.testing.assert_close(support.features, expected)


def test_text_and_scale() -> None:
    assert GOOD.scale == 5
    assert torch.equal(GOOD.text, torch.eye(4)[:2])
    assert GOOD.classes == 2


def test_a_part_keeps_views_and_takes_other_validation_images() -> None:
    val = VIEWS[0, :1], torch.tensor([0])
    part = GOOD.part(torch.tensor([False, True, True]), val)
    assert part.targets.tolist() == [1, 1]
    assert torch.equal(part.views, VIEWS[:, 1:])
    assert part.val is val
    assert GOOD.val is None
