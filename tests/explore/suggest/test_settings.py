"""Settings of what is suggested."""

import pytest

from adapt.explore.suggest.settings import SuggestSettings
from adapt.explore.suggest.strategies.base import MIX


def test_ranges_and_the_default() -> None:
    assert SuggestSettings().strategy == MIX
    with pytest.raises(ValueError, match="budget"):
        SuggestSettings(budget=0)
