"""Settings of prompts that are refused."""

import pytest

from adapt.models.settings import Prompts


def test_a_weighting_that_is_not_known_is_refused_with_what_was_meant() -> None:
    with pytest.raises(ValueError, match=r"weights - .*did you mean 'zpe'\?"):
        Prompts(weights="zpee")
    with pytest.raises(ValueError, match="file - "):
        Prompts(file="")
