"""Formats by name."""

import pytest

from adapt.errors import RecipeError
from adapt.export.base import FORMATS, format_of


def test_every_format_says_what_it_is() -> None:
    for name, own in FORMATS.table().items():
        assert own.what, name
        assert bool(own.needs) == bool(own.extra), name
        assert format_of(name) is own


def test_an_unknown_name() -> None:
    with pytest.raises(RecipeError, match="format - not known - 'lena', did you mean 'lean'"):
        format_of("lena")
