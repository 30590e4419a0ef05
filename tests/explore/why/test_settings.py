"""What may be chosen of an explanation."""

import pytest

from adapt.explore.why.settings import WhySettings


def test_no_images_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="top"):
        WhySettings(top=0)
