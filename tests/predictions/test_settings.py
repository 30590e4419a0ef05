"""What does not go together when images are predicted."""

import pytest

from adapt.predictions.settings import PredictionSettings


def test_what_needs_the_whole_set_has_no_parts() -> None:
    assert PredictionSettings(transductive="mix").rows_per_part is None
    with pytest.raises(ValueError, match="transductive - not with parts"):
        PredictionSettings(transductive="mix", rows_per_part=10)
    with pytest.raises(ValueError, match="transductive"):
        PredictionSettings(transductive="other")
