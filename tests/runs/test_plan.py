"""What a run would do: its memory by hand, and the risks that the data carry."""

from types import SimpleNamespace
from typing import Any

import pytest

import adapt
from adapt.data.image_data import ImageData
from adapt.data.loading import workers as loading
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData
from adapt.runs import plan
from adapt.runs.memory import prepared, texts_per_step
from adapt.runs.plan import risks
from adapt.training.settings import Optim, Runtime


def data(fit: ImageData, **evals: Any) -> RunData:
    return RunData(fit, evals, {})


def loaded(optim: Optim | None = None) -> Any:
    return SimpleNamespace(method=SimpleNamespace(optim=optim) if optim else SimpleNamespace())


def trained(method: str, start: Classifier, **settings: Any) -> int:
    tuned = prepared(adapt.method(method, **settings), start)
    return sum(p.numel() for p in tuned.parameters() if p.requires_grad)


def test_parameters_that_train(start: Classifier) -> None:
    head = sum(parameter.numel() for parameter in start.head.parameters())
    assert trained("linear_probe", start) == head
    frozen = trained("full", start, optim=Optim(freeze_first=1))
    assert head < frozen < trained("full", start)


def test_texts_that_a_step_encodes(start: Classifier) -> None:
    def texts(name: str, **settings: Any) -> int:
        method = adapt.method(name, **settings)
        return texts_per_step(method, prepared(method, start), 24)

    classes = len(start.class_names)
    assert texts("full") == texts("lora") == 0
    assert texts("flyp") == 24
    assert texts("clip_lora") == classes
    assert texts("clip_lora", classes_per_step=2) == 2
    assert texts("clip_lora", classes_per_step=99) == classes


def test_risks_of_small_and_uneven_data(toy_data: ImageData) -> None:
    train = toy_data.train.subset([0, *range(8, 20)])
    fit = ImageData(train, toy_data.val.subset([0, 1]) if toy_data.val else None)
    (few,) = (key for key, count in train.counts().items() if count == 1)
    said = "\n".join(risks(data(fit), loaded(Optim(batch_size=64))))
    assert f"1 class with one training image: {few}" in said
    assert "only 2 val images: alpha and temperature depend on them" in said
    assert "2 classes without a val image" in said
    assert "no test set: only val is scored" in said
    assert "fewer than two evals: robustness is not measured" in said
    assert "a batch of 64 is larger than the 13 training images" in said
    assert "classes differ in size" not in said, "8 is not 10 times 1"


def test_good_data_carry_no_risk(toy_data: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.runs.plan.SMALL_VAL", 5)
    evals = {"test": toy_data.train, "shift": toy_data.train}
    assert risks(data(toy_data, **evals), loaded()) == []


def test_shared_memory_of_loading_processes(
    toy_data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of 8 images of 32 x 32: 25 KB, of which two processes hold five."""
    monkeypatch.setattr(loading, "shared_memory", lambda: (100_000, 100_000))
    notes = {}
    for workers in ("0", "1", "2"):
        own = data(toy_data)
        plan._check_shared_memory(own, Runtime(workers=workers), Optim(batch_size=8), 32)
        notes[workers] = own.notes
    assert notes["0"] == notes["1"] == []
    (note,) = notes["2"]
    assert "2 loading processes would hold 122.9 KB there" in note
