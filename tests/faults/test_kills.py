"""Runs that are killed at random moments: row F32 of the table of faults, over a whole run."""

from pathlib import Path

import pytest

from tests.helpers.killed import METHODS, Killer, check_kills, recipe


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Killer:
    return Killer(tmp_path_factory.mktemp("killer"))


def test_a_few_kills(killer: Killer, tmp_path: Path) -> None:
    moments = check_kills(killer, recipe(tmp_path, "lora", 0), tmp_path, kills=3, seed=1)
    assert len(moments) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("method", METHODS)
def test_twenty_kills(method: str, workers: int, killer: Killer, tmp_path: Path) -> None:
    path = recipe(tmp_path, method, workers, whole=True)
    moments = check_kills(killer, path, tmp_path, kills=20, seed=workers)
    print(*moments, sep="\n")
    assert len(set(moments)) >= 5, "at several places"
