"""The training of a run: members of a soup, and the names in class weights."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.ensembling.settings import Ensemble, Members
from adapt.ensembling.weights.soup import uniform_soup
from adapt.errors import DataError, RecipeError, RunError
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.runs.fit import check_weight_names, fit, remove_checkpoints
from adapt.runs.run import run
from adapt.training.context import Context
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import prepare
from adapt.training.settings import Optim
from tests.helpers.tiny import CLASSES, RESNET, VIT, bit_equal, in_float64, moved, weights
from tests.helpers.training import by_hand


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


QUICK = Optim(lr=1e-3, epochs=4, batch_size=8, warmup=0.0)
"""Twelve steps on the drawings, the last six of which are averaged over."""


@dataclass
class Keeps:
    """Keeps the weights of models on the way in memory."""

    folder: Path
    count: int
    states: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def keep(self, model: Classifier) -> None:
        self.states.append(weights(model))


@pytest.mark.numerical
def test_the_uniform_soup_of_checkpoints_is_a_running_mean(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    """Of the weights after the steps 8, 10 and 12 of a plain loop."""
    start, keeps = in_float64(start), Keeps(tmp_path, 2)
    own = replace(context, trajectory=keeps)
    last = adapt.method("full", optim=QUICK).fit(start, toy_data, own)
    found = uniform_soup([*keeps.states, weights(last)])
    history, mean = by_hand(start, toy_data, QUICK), {}
    for count, step in enumerate((8, 10, 12)):
        for name, value in history[step - 1].items():
            before = mean.get(name, torch.zeros_like(value))
            mean[name] = before + (value - before) / (count + 1)
    for name, value in mean.items():
        assert float((found[name] - value).abs().max()) < 1e-9, name


def test_seeds_and_checkpoints_together(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    method = adapt.method("full", optim=replace(QUICK, epochs=2))
    own, ensemble = replace(context, folder=tmp_path), Ensemble(members=Members(2, 2))
    ensemble.soup = "uniform"
    tuned = fit(method, start, toy_data, own, ensemble)
    report = json.loads((tmp_path / "soup.json").read_text())
    names = [f"seed {seed}, {number} of 2" for seed in (0, 1) for number in (1, 2)]
    assert report["chosen"] == list(report["alone"]) == names
    states = []
    for seed in (0, 1):
        keeps = Keeps(tmp_path / f"own{seed}", 1)
        alone = replace(context, seed=seed, trajectory=keeps)
        last = method.fit(start, toy_data, alone)
        states += [*keeps.states, weights(last)]
    for name, value in weights(tuned).items():
        mean = sum(state[name].double() for state in states) / 4
        assert float((value.double() - mean).abs().max()) < 1e-6, name
    files = [tmp_path / f"members/{seed}/on_the_way/0.safetensors" for seed in (0, 1)]
    assert sorted(tmp_path.glob("members/**/*.safetensors")) == files
    again = fit(method, start, toy_data, replace(own, resume=True), ensemble)
    assert bit_equal(weights(again), weights(tuned))
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.glob("members/**/*.safetensors"))
    assert list(tmp_path.glob("members/**/last.ckpt"))


def test_greedy_on_checkpoints(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    """Against the recipe of the paper written down once more, on the same models."""
    method = adapt.method("full", optim=QUICK)
    found = fit(method, start, toy_data, context, Ensemble(members=Members(checkpoints=4)))
    keeps = Keeps(tmp_path, 3)
    working = method.fit(start, toy_data, replace(context, trajectory=keeps))
    states = [*keeps.states, weights(working)]
    assert toy_data.val is not None
    pixels = prepare(toy_data.val, start.backbone.preprocessing, context.runtime)
    targets = toy_data.val.targets(CLASSES)

    def mean(chosen: list[int]) -> dict[str, torch.Tensor]:
        parts = [states[number] for number in chosen]
        return {name: torch.stack([p[name].double() for p in parts]).mean(0) for name in states[0]}

    def score(chosen: list[int]) -> float:
        working.load_state_dict(mean(chosen))
        return float((predict_logits(working, pixels, context.runtime).argmax(1) == targets).mean())

    alone = [score([number]) for number in range(4)]
    order = sorted(range(4), key=lambda number: -alone[number])
    chosen = order[:1]
    for number in order[1:]:
        if score([*chosen, number]) > score(chosen):
            chosen.append(number)
    for name, value in mean(chosen).items():
        apart = float((weights(found)[name].double() - value).abs().max())
        assert apart < 1e-6, (name, chosen, alone)


def test_checkpoints_need_steps(start: Classifier, toy_data: ImageData, context: Context) -> None:
    ensemble = Ensemble(members=Members(checkpoints=2))
    with pytest.raises(RecipeError, match=r"checkpoints - has no effect on this method - 2 - "):
        fit(adapt.method("gda"), start, toy_data, context, ensemble)

    @dataclass
    class OwnLoop(Moves):
        optim: Optim = field(default_factory=Optim)

    with pytest.raises(RunError, match=r"OwnLoop - keeps no models on the way - 1 wanted"):
        fit(OwnLoop(), start, toy_data, context, ensemble)


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
