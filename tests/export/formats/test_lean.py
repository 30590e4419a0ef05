"""No text encoder, and still the same answers."""

from pathlib import Path

import pytest

import adapt
from adapt.errors import ModelError
from adapt.export.formats import lean
from adapt.export.record import RECORD, Record
from adapt.export.write import export
from adapt.models.bundle.packed import load_packed, save_packed
from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.exports import cached, full, noise
from tests.helpers.tiny import RESNET, TIMM, VIT

MODELS = {
    "vit": lambda: learned(VIT),
    "resnet": lambda: learned(RESNET),
    "timm": lambda: learned(TIMM),
    "neighbours": lambda: cached(learned(VIT)),
}


@pytest.mark.parametrize("name", MODELS)
def test_predictions(name: str, tmp_path: Path) -> None:
    model = full(MODELS[name]())
    loaded = adapt.load(export(model, tmp_path / "out", "lean"))
    for mine, other in zip(model.predict(noise(8)), loaded.predict(noise(8)), strict=True):
        assert (mine.label, mine.labels, mine.unknown) == (other.label, other.labels, other.unknown)
        assert mine.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_no_text_encoder_is_written(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "out", "lean")
    names = set(load_packed(folder / lean.ENCODER))
    assert names == set(model.backbone.image_encoder.state_dict())
    bundle = model.save(tmp_path / "bundle")
    sizes = [sum(p.stat().st_size for p in place.iterdir()) for place in (folder, bundle)]
    assert sizes[0] < sizes[1] / 2


def test_weights_that_do_not_fit_are_refused(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "out", "lean")
    record, state = Record.read(folder), load_packed(folder / lean.ENCODER)
    state.pop("proj")
    save_packed(state, folder / lean.ENCODER)
    (folder / RECORD).unlink()
    record.write(folder)
    with pytest.raises(ModelError, match="proj"):
        adapt.load(folder)
