"""Feature-space methods by name."""

import pytest

from adapt.methods.features.named import feature_method, feature_methods
from adapt.methods.heads.gda import GDA


def test_methods_made_of_others_are_not_among_them() -> None:
    known = feature_methods()
    assert {"gda", "clap", "knn"} <= set(known)
    assert not {"auto", "mixture", "lora"} & set(known)
    assert isinstance(feature_method("gda"), GDA)


def test_another_name_is_refused_with_the_setting() -> None:
    with pytest.raises(ValueError, match=r"^members - no feature-space method - 'gdaa', did you"):
        feature_method("gdaa", "members")
