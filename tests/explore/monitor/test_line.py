"""The line through a shipped model: its start, itself, and what was trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.data.sources.folders import from_folder
from adapt.errors import WeightsError
from adapt.explore.monitor.line import LineOfModel
from adapt.explore.monitor.seen import see
from adapt.models.classifier import Classifier
from adapt.models.prediction.inputs import NamedImage
from adapt.runs.run import Run
from tests.helpers.tiny import VIT


def test_its_ends_are_those_of_the_run(done: Run, toy_root: Path) -> None:
    shipped = Classifier.load(done.folder / "model")
    line = LineOfModel.through(shipped, done.folder / "model", None)
    assert line.alpha == 0.5
    adapted, end = Classifier.load(done.folder / "adapted"), line.at(1.0)
    for name, value in adapted.backbone.model.state_dict().items():
        torch.testing.assert_close(end.backbone.model.state_dict()[name], value)
    start = Classifier.from_clip(VIT, "random", shipped.class_names)
    own = line.at(0.0).state_dict()
    for name, value in start.state_dict().items():
        torch.testing.assert_close(own[name], value, rtol=0, atol=1e-6)
    paths = from_folder(toy_root / "test").paths

    def images() -> list[NamedImage]:
        return [NamedImage(path, path) for path in paths]

    seen = see(shipped.predictor, images(), 4)
    logits = line.logits(1.0, seen, images, 4)
    rows = adapted.with_temperature(1.0).predict(paths, top=3)
    for row, said in zip(torch.softmax(torch.from_numpy(logits), 1).numpy(), rows, strict=True):
        best = dict(said.top)
        np.testing.assert_allclose(row, [best[name] for name in adapted.class_names], atol=1e-4)


def test_no_line(start: Classifier, tmp_path: Path) -> None:
    for info, reason in (
        (None, "no run wrote this bundle"),
        ({"alpha": 0.0}, r"it is its own start \(alpha 0\)"),
        ({"alpha": 2.0}, "alpha is 2.0"),
    ):
        folder = start.save(tmp_path / "model", info)
        with pytest.raises(WeightsError, match=f"no line to its start - {reason}"):
            LineOfModel.through(start, folder, None)
    folder = start.save(tmp_path / "model", {"alpha": 0.5})
    with pytest.raises(WeightsError, match=r"missing.safetensors.* - give --base"):
        LineOfModel.through(start, folder, tmp_path / "missing.safetensors")
