"""Where the cache is, by the environment."""

from pathlib import Path

import pytest

from adapt.common.cache import cache_folder


def test_the_own_variable_goes_before_those_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADAPT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("a", "b") == tmp_path / ".cache" / "adapt" / "a" / "b"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("a") == tmp_path / "xdg" / "adapt" / "a"
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert not (tmp_path / "own").exists(), "whoever writes there makes it"
