"""Settings of an audit."""

import pytest

from adapt.evaluation.robustness.gaps import CORRECTIONS
from adapt.explore.audit import settings
from adapt.explore.audit.settings import AuditSettings


def test_wrong_values_are_named() -> None:
    with pytest.raises(ValueError, match=r"min_images.*\n.*level"):
        AuditSettings(min_images=0, level=0)
    with pytest.raises(ValueError, match="correction - not known"):
        AuditSettings(correction="bhh")


def test_the_corrections_are_those_there_are() -> None:
    assert settings.CORRECTIONS == CORRECTIONS
