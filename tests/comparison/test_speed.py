"""Two models are measured in turns, and a slower one is found to be slower."""

import time
from pathlib import Path
from typing import Any

import pytest

from adapt.comparison import speed
from adapt.comparison.speed import bytes_of, latency_of
from adapt.data.sources.image_list import ImageList
from adapt.models.classifier import Classifier


class Timed:
    """Says when it was asked, and takes its time."""

    device = "cpu"

    def __init__(self, name: str, seconds: float, calls: list[tuple[str, int]]) -> None:
        self.name, self.seconds, self.calls = name, seconds, calls

    def predict(self, inputs: list[Any], batch_size: int) -> list[Any]:
        assert len(inputs) == batch_size
        self.calls.append((self.name, batch_size))
        time.sleep(self.seconds)
        return []


def test_models_take_turns(toy_test: ImageList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SECONDS", 0.05)
    calls: list[tuple[str, int]] = []
    a: Any = Timed("a", 0.002, calls)
    b: Any = Timed("b", 0.008, calls)
    result = latency_of(a, b, toy_test)
    rounds = result["single"]["rounds"]
    single = [name for name, count in calls if count == 1][2:]
    assert "".join(single[:8]) == "abbaabba"
    assert len(single) == 2 * rounds
    assert 5 <= rounds < 20
    assert result["batch"]["images"] == 8
    assert result["single"]["change"] > 1
    for own, seconds in (("a", 2.0), ("b", 8.0)):
        spread = result["single"][own]
        assert seconds <= spread["low"] <= spread["median"] <= spread["high"]
        assert result["batch"][own]["low"] >= seconds / 8


def test_a_real_model_is_measured(
    start: Classifier, toy_test: ImageList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    result = latency_of(start, start, toy_test)
    assert result["single"]["rounds"] == 5
    assert result["device"] == {"a": "cpu", "b": "cpu"}


def test_the_size_is_that_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    assert bytes_of(tmp_path) == 8
