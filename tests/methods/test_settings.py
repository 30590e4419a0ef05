"""Settings of the few-shot protocol: every mistake at once."""

import pytest

from adapt.methods.settings import FewShot


def test_numbers_of_shots_rise_and_draws_are_several() -> None:
    assert FewShot([1, 2, 16], 2).shots == [1, 2, 16]
    assert FewShot().shots == []
    with pytest.raises(ValueError, match="out of range") as caught:
        FewShot([4, 0, 4], 1)
    first, second, third = str(caught.value).splitlines()
    assert first == "shots[1] - out of range - 0 - give 1 or more, at most 1,000,000"
    assert second == "seeds - out of range - 1 - give 2 to 100 draws"
    assert third == "shots - not rising - [4, 0, 4] - give the lowest first"
    with pytest.raises(ValueError, match="shots - listed twice"):
        FewShot([4, 4])
