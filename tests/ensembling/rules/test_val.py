"""Rules that look at val alone, by hand."""

import pytest

from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.rules.base import Evidence

TABLE = {1.0: 0.7, 0.75: 0.7, 0.5: 0.7, 0.25: 0.66, 0.0: 0.5}


def test_ties_go_to_the_smallest_alpha() -> None:
    assert choose_alpha(Evidence(TABLE, 100), "val") == 0.5


# One standard error of 0.7 is 0.0458 on 100 images and 0.00458 on 10,000.
@pytest.mark.parametrize(("images", "expected"), [(1, 0.0), (100, 0.25), (10_000, 0.5)])
def test_one_standard_error_below_the_best(images: int, expected: float) -> None:
    assert choose_alpha(Evidence(TABLE, images), "val_one_se") == expected
