"""The training of a run: members of a soup, and the names in class weights."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import adapt
from adapt.data.image_data import ImageData
from adapt.ensembling.settings import Ensemble
from adapt.errors import DataError, RecipeError
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.runs.fit import check_weight_names, fit
from adapt.runs.run import run
from adapt.training.context import Context
from tests.helpers.tiny import CLASSES, RESNET, VIT, moved


@dataclass
class Moves:
    """Stands in for a training whose result depends on the seed alone."""

    seen: list[tuple[int, Path | None]] = field(default_factory=list)

    def prepare(self, start: Classifier) -> Classifier:
        return start.clone()

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        assert context is not None
        self.seen.append((context.seed, context.folder))
        return moved(start, context.seed, size=0.01)


def test_members_have_consecutive_seeds_and_folders(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    method, own = Moves(), replace(context, seed=5, folder=tmp_path)
    tuned = fit(method, start, toy_data, own, Ensemble(members=3, soup="uniform"))
    assert method.seen == [(5 + n, tmp_path / "members" / str(n)) for n in range(3)]
    weights = [moved(start, 5 + n, size=0.01).state_dict() for n in range(3)]
    name = "backbone.model.visual.proj"
    mean = sum(state[name].double() for state in weights) / 3
    assert float((tuned.state_dict()[name].double() - mean).abs().max()) < 1e-6
    assert (tmp_path / "soup.json").is_file()


def test_a_soup_needs_val(start: Classifier, toy_data: ImageData, context: Context) -> None:
    without = ImageData(toy_data.train, None)
    with pytest.raises(DataError, match=r"data\.val - no images"):
        fit(Moves(), start, without, context, Ensemble(members=2))


def test_names_are_checked_in_every_section() -> None:
    method = adapt.method("lp_ft")
    good = replace(method, optim=replace(method.optim, class_weights={"red_circle": 2.0}))
    check_weight_names(good, CLASSES)
    wrong = replace(good, probe=LinearProbe(class_weights={"reed_circle": 1.0, "x": 2.0}))
    with pytest.raises(RecipeError) as caught:
        check_weight_names(wrong, CLASSES)
    first, second = str(caught.value).splitlines()
    assert first.startswith(
        "method.probe.class_weights.reed_circle - not a class, did you mean 'red_circle'? - 1.0"
    )
    assert second.startswith("method.probe.class_weights.x - not a class - 2.0 - classes are: blue")
    check_weight_names(adapt.method("zero_shot"), CLASSES)


RECIPE = """
version: 1
name: merged
model: {{arch: {arch}, pretrained: random, templates: [plain]}}
data:
  train: {{kind: folder, root: {root}/train}}
  val: {{kind: folder, root: {root}/val}}
method: {{name: full, optim: {{lr: 1.0e-3, epochs: 1, batch_size: 8}}}}
ensemble: {{members: 2, soup: {merge}, alphas: 3}}
evals:
  test: {{kind: folder, root: {root}/test}}
report: {{formats: []}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


@pytest.mark.parametrize(("merge", "arch"), [("fisher", VIT), ("regmean", RESNET)])
def test_a_run_whose_members_are_measured(
    merge: str, arch: str, toy_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(arch=arch, root=toy_root, merge=merge))
    done = run(tmp_path / "recipe.yaml", [], tmp_path / "run")
    report = json.loads((done.folder / "soup.json").read_text())
    assert (report["select"], report["chosen"]) == (merge, ["seed 0", "seed 1"])
    assert report["notes"][0].startswith(f"{merge} weighs ")
    assert "by 24 training images of each" in report["notes"][0]
    assert 0 <= done.scores["models"]["adapted"]["test"]["accuracy"] <= 1
    assert Classifier.load(done.folder / "model").class_names == CLASSES
