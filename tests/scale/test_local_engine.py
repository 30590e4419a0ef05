"""The engine of this process."""

from pathlib import Path

import pytest

from adapt.errors import RecipeError
from tests.helpers.embedding import check_engine, embedded


def test_it_keeps_the_contract(model: Path, photos: Path, tmp_path: Path) -> None:
    check_engine("local", model, photos, tmp_path / "out")


def test_it_has_no_actors(model: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--actors - only for --engine ray - 2"):
        embedded(model, photos, tmp_path / "out", actors=2)
