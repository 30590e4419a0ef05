"""Too few images say nothing."""

import pytest

from adapt.explore.weak_spots.settings import WeakSpotSettings


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="images"):
        WeakSpotSettings(images=5)
