"""Exit codes, and the hint that names the nearest word."""

import pytest

from adapt import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RecipeError, 2),
        (errors.ModelError, 2),
        (errors.MissingExtraError, 2),
        (errors.DataError, 3),
        (errors.WeightsError, 4),
        (errors.BundleError, 4),
        (errors.RunError, 5),
    ],
)
def test_exit_codes(error: type[errors.AdaptError], code: int) -> None:
    assert error("x").exit_code == code
    assert issubclass(error, errors.AdaptError)


def test_the_nearest_word_is_named_if_it_is_near() -> None:
    assert errors.did_you_mean("linear_prob", ["lora", "linear_probe"]) == (
        ", did you mean 'linear_probe'?"
    )
    assert errors.did_you_mean("zzz", ["lora", "linear_probe"]) == ""
    assert errors.did_you_mean("lora", []) == ""
