"""Settings from the words of a command line."""

import pytest

from adapt.errors import RecipeError
from adapt.serve.settings import ServerSettings, read_settings


def test_words_become_numbers_of_their_kind() -> None:
    read = read_settings(["timeout=2.5", "max_images=3", "max_megabytes=0.5"])
    assert read == ServerSettings(timeout=2.5, max_images=3, max_megabytes=0.5)
    assert type(read.max_images) is int
    assert (read.max_bytes, read.max_held_bytes) == (500_000, 256_000_000)
    assert read_settings([]) == ServerSettings()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["timeout"], "timeout - not a setting"),
        (["time_out=3"], "time_out=3 - not a setting, did you mean 'timeout'"),
        (["timeout=1", "timeout=2"], "timeout - given twice - 2"),
        (["max_images=2.5"], "max_images - not a whole number - '2.5'"),
        (["timeout=soon"], "timeout - not a number - 'soon'"),
        (["timeout=nan"], "timeout - out of range - nan - give 0.1 to 3600 seconds"),
        (["max_classes=1"], "max_classes - out of range - 1 - give 2 to 1000 classes"),
    ],
)
def test_wrong_words(words: list[str], sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_settings(words)
    assert str(caught.value).startswith(sentence)
