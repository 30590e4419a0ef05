"""Settings of a search are checked all at once."""

import pytest

from adapt.explore.search.settings import SearchSettings


def test_every_mistake_is_named() -> None:
    with pytest.raises(ValueError, match="template - not a template - 'a'") as caught:
        SearchSettings(template=["a", "a {}"], top=0, method="fast", image_weight=-1)
    assert len(str(caught.value).splitlines()) == 4
