"""`batch_size: auto` on a CPU: the largest share of a step whose estimate fits."""

from dataclasses import replace
from typing import Any

import pytest

import adapt
from adapt.models.classifier import Classifier
from adapt.recipe.load import Loaded, load
from adapt.runs import micro_batch
from adapt.runs.memory import Memory, memory_of, prepared
from adapt.runs.micro_batch import available_memory, fitted
from adapt.training.settings import Optim, Runtime
from tests.helpers.tiny import RESNET, tiny_classifier


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    found = load("quickstart", ["runtime.accelerator=cpu", "runtime.batch_size=auto"])
    return replace(found, method=adapt.method("full", optim=Optim(batch_size=16)))


def said(loaded: Loaded, start: Classifier) -> tuple[Loaded, list[str]]:
    told: list[str] = []
    return fitted(loaded, start, told.append), told


@pytest.mark.parametrize(
    ("memory", "images"), [(2107, 16), (2106, 8), (1187, 8), (1186, 4), (497, 2), (496, 1), (1, 1)]
)
def test_the_largest_share_that_fits(
    memory: int, images: int, loaded: Loaded, start: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the start 1.15 * (2 + 10 + 20 + 100 per image) bytes; 400 are those of the process."""

    def estimate(_recipe: Any, method: Any, *_: Any) -> Memory:
        each = method.optim.batch_size // method.optim.accumulate
        return Memory(400, 400, 10, 20, 100 * each + 2)

    monkeypatch.setattr(micro_batch, "memory_of", estimate)
    monkeypatch.setattr(micro_batch, "available_memory", lambda: memory)
    found, (sentence,) = said(loaded, start)
    assert found.method.optim == Optim(batch_size=16, accumulate=16 // images)
    assert sentence.startswith(f"batch_size auto: {images} images at once, 16 in a step; estimated")
    assert loaded.method.optim.accumulate == 1, "the recipe stays what it was"


def test_the_estimate_is_that_of_the_plan(
    loaded: Loaded, start: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = memory_of(loaded.recipe, loaded.method, start, prepared(loaded.method, start))
    weights = sum(value.numel() * value.element_size() for value in start.state_dict().values())
    own = weights + memory.copies + memory.optimiser + memory.step
    for free, images in ((1.16 * own, 16), (1.13 * own, 8)):
        monkeypatch.setattr(micro_batch, "available_memory", lambda free=free: int(free))
        assert said(loaded, start)[0].method.optim.accumulate == 16 // images


def test_nothing_changes_unless_asked(
    loaded: Loaded, start: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batch, "available_memory", lambda: 1)
    asked: Any = replace(loaded.recipe.runtime, batch_size=32)
    fixed = replace(loaded, recipe=replace(loaded.recipe, runtime=asked))
    probe = replace(loaded, method=adapt.method("linear_probe"))
    for given in (fixed, probe):
        assert said(given, start) == (given, [])
    monkeypatch.setattr(micro_batch, "available_memory", lambda: None)
    assert said(loaded, start) == (loaded, [])


def test_a_method_that_takes_no_parts(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs of a model with batch norms."""
    monkeypatch.setattr(micro_batch, "available_memory", lambda: 1)
    pairs = replace(loaded, method=adapt.method("flyp", optim=Optim(batch_size=16)))
    found, told = said(pairs, tiny_classifier(RESNET))
    assert found.method == pairs.method
    assert told == ["batch_size auto: Flyp takes a batch as a whole here"]


def test_memory_of_this_machine_and_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    found = available_memory()
    assert found is not None
    assert 2**27 < found < 2**45
    monkeypatch.setattr(micro_batch, "GROUP", micro_batch.Path("/nowhere"))
    machine = available_memory()
    assert machine is not None

    class Limits:
        """Files of a group that may take 1 GB, and has 400 MB."""

        def __truediv__(self, name: str) -> Any:
            text = {"memory.max": "1000000000\n", "memory.current": "400000000\n"}[name]
            return type("File", (), {"read_text": lambda self, encoding: text})()

    monkeypatch.setattr(micro_batch, "GROUP", Limits())
    assert available_memory() == 600_000_000


def test_auto_is_a_setting() -> None:
    assert (Runtime(batch_size="auto").images, Runtime(batch_size="auto").batch_size) == (
        64,
        "auto",
    )
    assert (Runtime(batch_size="32").images, Runtime(batch_size=8).images) == (32, 8)
    for wrong in ("large", 0, "-3", 10**6):
        with pytest.raises(ValueError, match="batch_size - out of range"):
            Runtime(batch_size=wrong)
