"""Soups of classifiers: the mean of models tuned from one start, chosen on held-out images."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from adapt.data.sources.image_list import ImageList
from adapt.ensembling.line import Refresh, unchanged
from adapt.ensembling.settings import SOUPS
from adapt.ensembling.weights.dare import dare
from adapt.ensembling.weights.fisher import fisher
from adapt.ensembling.weights.interpolate import State
from adapt.ensembling.weights.model_stock import model_stock
from adapt.ensembling.weights.regmean import regmean
from adapt.ensembling.weights.slerp import Slerp
from adapt.ensembling.weights.soup import (
    AdjustedMean,
    Mean,
    TensorFiles,
    Trial,
    check_alike,
    differing_names,
    greedy_soup,
)
from adapt.ensembling.weights.ties import ties
from adapt.errors import RecipeError, WeightsError, did_you_mean
from adapt.evaluation.evaluate import Split, sample_of
from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.models.bundle.manifest import DELTA, ENCODERS, HEAD, PROMPT_WEIGHTS
from adapt.models.bundle.read import read_bundle
from adapt.models.classifier import Classifier
from adapt.models.weight_files import plain_names
from adapt.training.features.encode import predict_logits
from adapt.training.features.fisher import fisher_information
from adapt.training.features.grams import input_grams
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.settings import Runtime

ModelOrBundle = Classifier | str | Path
MERGES: dict[str, Callable[[State, Sequence[State]], State]] = {"ties": ties, "dare": dare}
FROM_START = ("model_stock", *MERGES)
"""Merges of changes from the start."""
MEASURED = {"fisher": 256, "regmean": 1024}
"""Merges that measure each model on its training images, and at how many they look."""
WITHOUT_START = ("uniform", "slerp", *MEASURED)
"""Averages in which the start plays no part."""
PAIR = 2
Trained = ImageList | Mapping[str, ImageList]
"""Training images that all models share, or those of each by its name."""
Statistic = TypeVar("Statistic")
Measure = Callable[[Classifier, Pixels, set[str], Runtime], Statistic]
_ENCODERS, _HEAD = "backbone.model.", "head."


@dataclass
class SoupReport:
    """What went into a soup, how it scores on val, and why a model was refused."""

    select: str
    """How they were averaged; see `soup`."""
    images: int
    """Number of val images."""
    alone: dict[str, float]
    """Val accuracy of each model alone, 0 to 1."""
    chosen: list[str] = field(default_factory=list)
    """The models in the soup."""
    accuracy: float = 0.0
    """Val accuracy of the soup; chosen on these images when `select` is `greedy`."""
    best: str = ""
    """The best single model."""
    difference: dict[str, Any] = field(default_factory=dict)
    """Val accuracy of the soup minus that of the best single model, with its 95 % interval."""
    temperature: float = 1.0
    """Temperature of the soup, fitted on val."""
    trials: list[Trial] = field(default_factory=list)
    """Greedy only: what became of each model, in the order they were tried."""
    ratios: dict[str, float] = field(default_factory=dict)
    """Model Stock only: how far each weight went from the start (0) to the mean (1)."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing, one sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """What `soup.json` holds."""
        chosen_on = "val" if self.select == "greedy" else None
        return {"format": 1, "selected_on": chosen_on, **asdict(self)}


@dataclass(frozen=True)
class _Ingredient:
    """One model: its weights, read when asked for, and all that must be equal."""

    name: str
    model: ModelOrBundle
    weights: State
    facts: dict[str, Any]
    prompts: tuple[list[list[str]], list[list[float]] | None]
    """Those of each class, and how much each counts."""
    head_from_text: bool

    @classmethod
    def read(cls, name: str, model: ModelOrBundle) -> "_Ingredient":
        if isinstance(model, Classifier):
            spec, sizes = model.backbone.spec, model.backbone.preprocessing.to_dict()
            facts = _facts(model.class_names, spec.base_hash, spec.config, sizes)
            state = plain_names(model.state_dict())
            said = model.prompts, model.prompt_weights
            return cls(name, model, state, facts, said, model.head_from_text)
        folder = Path(model)
        # Checks every hash; its tensors are mapped, not read, and dropped at once.
        bundle = read_bundle(folder)
        if DELTA in bundle.tensors:
            return cls.read(name, Classifier.load(folder))
        config, manifest = bundle.config, bundle.manifest
        files = {_ENCODERS: folder / ENCODERS, _HEAD: folder / HEAD}
        facts = _facts(
            manifest["class_names"],
            manifest["base_hash"],
            config["model_cfg"],
            config["preprocess_cfg"],
        )
        said = manifest["prompts"], manifest.get(PROMPT_WEIGHTS)
        return cls(name, model, TensorFiles(files), facts, said, manifest["head_from_text"])

    def state(self, with_head: bool) -> State:
        """All weights, or those of the encoders."""
        if with_head:
            return self.weights
        if not isinstance(self.model, Classifier):
            return TensorFiles({_ENCODERS: Path(self.model) / ENCODERS})
        return {name: value for name, value in self.weights.items() if name.startswith(_ENCODERS)}

    def copy(self) -> Classifier:
        """A working copy whose weights may be replaced."""
        given = self.model
        model = given.clone() if isinstance(given, Classifier) else Classifier.load(given)
        model.low_rank = None
        return model.with_temperature(1.0).with_uncertainty(None)


def _facts(names: list[str], base: str, config: Any, sizes: Any) -> dict[str, Any]:
    return {"class names": names, "start": base, "architecture": config, "preprocessing": sizes}


def soup(
    models: Sequence[ModelOrBundle] | Mapping[str, ModelOrBundle],
    val: ImageList,
    select: str = "uniform",
    start: Classifier | None = None,
    runtime: Runtime | None = None,
    refresh: Refresh = unchanged,
    train: Trained | None = None,
) -> tuple[Classifier, SoupReport]:
    """Average models that were tuned from one start.

    Learned heads are averaged like any weight. When all heads come from text, with the same
    prompts, the head is made anew from the averaged text encoder. Bundles are read tensor by
    tensor, and one classifier is kept whose weights are replaced, so memory does not grow with
    their number.

    Args:
        models: Two or more classifiers or bundle folders, or a mapping from names to them.
        val: Held-out images that none of the models was trained on. `greedy` chooses on them; all
            are scored on them, and the temperature of the result is fitted on them.
        select: `uniform` (all; arXiv:2203.05482), `greedy` (those that make the soup better on
            val; arXiv:2203.05482), `model_stock` (all, pulled back to the start where they
            disagree; arXiv:2403.19522), `ties` (large changes whose signs agree;
            arXiv:2306.01708), `dare` (changes dropped at random; arXiv:2311.03099), `slerp` (of
            two, on the arc between them), `fisher` (each weight by how certain each model is of
            it; arXiv:2111.09832) or `regmean` (linear layers whose outputs are nearest to those
            of the models; arXiv:2212.09849).
        start: What all were tuned from. `model_stock`, `ties` and `dare` need it; with it `greedy`
            can say how a refused model lies to the others.
        runtime: Device, batch size, workers.
        refresh: What becomes of each average; see `adapt.ensembling.line.refresh_of`.
        train: What the models were trained on. `fisher` and `regmean` need it: they look at as many
            of a model's images as `MEASURED` says, drawn by content, as evaluation sees them.

    Returns:
        The soup, and the report of it.

    Raises:
        RecipeError: Fewer than two models, one given twice, or `select` not known.
        WeightsError: When class names or their order, start, architecture, preprocessing, names or
            shapes differ.
        BundleError: When a bundle cannot be read.
        DataError: When val has a class the models do not know.
    """
    if select not in SOUPS:
        hint = did_you_mean(select, SOUPS)
        raise RecipeError(f"select - not known - {select!r}{hint} - use {', '.join(SOUPS)}")
    if select in FROM_START and start is None:
        raise RecipeError(f"start - missing - {select} measures changes from it - give it")
    if select in MEASURED and train is None:
        advice = "give the images that the models were trained on, or choose another merge"
        raise RecipeError(f"train - missing - {select} measures the models on them - {advice}")
    ingredients = _read(models)
    if select == "slerp" and len(ingredients) != PAIR:
        raise RecipeError(
            f"select - slerp goes between two models - {len(ingredients)} given - give two, or "
            "choose uniform"
        )
    origin = None if start is None else _Ingredient.read("the start", start)
    _check([*ingredients, origin] if origin else ingredients)
    from_text = all(ingredient.head_from_text for ingredient in ingredients)
    prompts = ingredients[0].prompts
    rebuild = from_text and all(ingredient.prompts == prompts for ingredient in ingredients)
    states = {ingredient.name: ingredient.state(not rebuild) for ingredient in ingredients}
    base = origin.state(not rebuild) if origin else None
    check_alike(states | ({"the start": base} if base is not None else {}))

    runtime, working = runtime or Runtime(), ingredients[0].copy()
    working.head_from_text = rebuild
    builder = _SoupBuilder(working, Split.read("val", val, working, runtime), runtime, refresh)
    if select in MEASURED and train is not None:
        builder.trained = _drawn(train, list(states), MEASURED[select], working, runtime)
    report, logits = builder.build(select, states, base)
    if from_text and not rebuild:
        report.notes.insert(0, "the models have different prompts: their text heads were averaged")
    working.temperature = report.temperature = fit_temperature(logits, builder.split.targets)
    return working, report


@dataclass
class _SoupBuilder:
    """One classifier whose weights are replaced, and the images it is scored on."""

    classifier: Classifier
    split: Split
    runtime: Runtime
    refresh: Refresh
    trained: dict[str, Pixels] = field(default_factory=dict)
    """Training images by model, for merges that measure."""

    def load(self, state: State) -> Classifier:
        """The classifier with these weights."""
        with torch.no_grad():
            own = self.classifier.state_dict()
            for name in state:
                own[name].copy_(state[name])
        return self.classifier.rebuild_head() if self.classifier.head_from_text else self.classifier

    def logits(self, state: State, average: bool = True) -> np.ndarray:
        self.load(state)
        if average:
            self.refresh(self.classifier)
        return predict_logits(self.classifier, self.split.pixels, self.runtime)

    def right(self, logits: np.ndarray) -> np.ndarray:
        """Which answers are right, shape (N,)."""
        return np.asarray(logits.argmax(1) == self.split.targets)

    def accuracy(self, state: State) -> float:
        return float(self.right(self.logits(state)).mean())

    def build(
        self, select: str, states: dict[str, State], start: State | None
    ) -> tuple[SoupReport, np.ndarray]:
        """Leave the soup in the classifier; returns the report, and the soup's logits on val."""
        right = {name: self.right(self.logits(state, False)) for name, state in states.items()}
        alone = {name: float(row.mean()) for name, row in right.items()}
        report = SoupReport(select, len(self.split.targets), alone, list(states))
        state: State = Mean(list(states.values()))
        if select == "greedy":
            greedy = greedy_soup(states, self.accuracy, start, alone)
            state, report.chosen, report.trials = greedy.state, greedy.chosen, greedy.trials
        elif select == "model_stock" and start is not None:
            stock = model_stock(start, list(states.values()))
            state, report.ratios = stock.state, stock.ratios
        elif select in MERGES and start is not None:
            state = MERGES[select](start, list(states.values()))
        elif select == "slerp":
            first, second = states.values()
            state = Slerp(first, second)
        elif select in MEASURED:
            state = self.measured(select, states, report)
        logits = self.logits(state, len(report.chosen) > 1)
        soup_right = self.right(logits)
        report.accuracy = float(soup_right.mean())
        report.best = max(alone, key=lambda name: alone[name])
        report.difference = {**paired_difference(soup_right, right[report.best])}
        report.notes += _notes(report)
        return report, logits

    def measured(self, select: str, states: dict[str, State], report: SoupReport) -> AdjustedMean:
        """A merge by what each model does on its training images, one model after the other."""
        names, ingredients = differing_names(list(states.values())), list(states.values())

        def each(measure: Measure[Statistic]) -> Iterator[Statistic]:
            for name, state in states.items():
                yield measure(self.load(state), self.trained[name], names, self.runtime)

        if select == "fisher":
            merged = fisher(ingredients, each(fisher_information))
        else:
            merged = regmean(ingredients, each(input_grams))
        seen = max(len(pixels) for pixels in self.trained.values())
        report.notes.append(
            f"{select} weighs {len(merged.adjusted)} of the {len(names)} tensors in which the "
            f"models differ, by {seen} training images of each; the others are plain means"
        )
        return merged


def _drawn(
    train: Trained, names: list[str], most: int, classifier: Classifier, runtime: Runtime
) -> dict[str, Pixels]:
    """Pixels of the training images that a merge looks at; what models share is decoded once."""

    def drawn(images: ImageList) -> Pixels:
        sizes = classifier.backbone.preprocessing
        rows = sample_of(prepare(images, sizes, runtime).keys, most)
        return prepare(images.subset(rows), sizes, runtime, keep=True)

    if isinstance(train, ImageList):
        return dict.fromkeys(names, drawn(train))
    if missing := [name for name in names if name not in train]:
        raise RecipeError(
            f"train - no images of {missing[0]} - there are images of {', '.join(train)} - "
            "give those of each model by its name"
        )
    return {name: drawn(train[name]) for name in names}


def _notes(report: SoupReport) -> list[str]:
    notes = []
    if report.accuracy < min(report.alone.values()):
        notes.append(
            f"the soup scores below every model in it ({report.accuracy:.3f}): their weights do "
            "not lie in one valley; tune them from the same head, with lower learning rates"
        )
    if len(report.chosen) == 1:
        notes.append(
            f"only the best model was kept; on {report.images} val images one image is "
            f"{100 / report.images:.2f} points, and a tie is refused"
        )
    return notes


def _read(models: Sequence[ModelOrBundle] | Mapping[str, ModelOrBundle]) -> list[_Ingredient]:
    named: Mapping[str, ModelOrBundle]
    if isinstance(models, Mapping):
        named = models
    else:
        paths = [None if isinstance(m, Classifier) else Path(m).resolve() for m in models]
        twice = [path for n, path in enumerate(paths) if path and path in paths[:n]]
        if twice:
            raise RecipeError(f"{twice[0]} - given twice - it would count double - give it once")
        named = {
            f"model {n}" if isinstance(model, Classifier) else str(model): model
            for n, model in enumerate(models, start=1)
        }
    check_alike({name: {} for name in named})  # a soup of one, before anything is read
    return [_Ingredient.read(name, model) for name, model in named.items()]


def _check(ingredients: list[_Ingredient]) -> None:
    first = ingredients[0]
    for other in ingredients[1:]:
        for fact, value in first.facts.items():
            if _plain(value) != _plain(other.facts[fact]):
                raise WeightsError(
                    f"{fact} - not the same - {first.name} has "
                    f"{_difference(value, other.facts[fact], other.name)} - only models with the "
                    "same classes in the same order, tuned from the same weights, can be averaged"
                )


def _difference(mine: Any, other: Any, name: str) -> str:
    """The first thing that differs, short."""
    if isinstance(mine, list):
        number = next((n for n, (a, b) in enumerate(zip(mine, other)) if a != b), None)  # noqa: B905
        if number is None:
            return f"{len(mine)}, {name} has {len(other)}"
        return f"{mine[number]!r} at {number + 1}, {name} has {other[number]!r}"
    if isinstance(mine, dict):
        key = next(k for k in mine | other if _plain(mine.get(k)) != _plain(other.get(k)))
        mine, other = f"{key} {mine.get(key)!r}", f"{key} {other.get(key)!r}"
    return f"{str(mine)[:60]}, {name} has {str(other)[:60]}"


def _plain(value: Any) -> str:
    """Text that is equal for what JSON cannot tell apart."""
    return json.dumps(value, sort_keys=True, default=str)
