"""From a recipe to a run folder: the only orchestrator, a plain sequence of steps."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from adapt import methods
from adapt.data.shifts import SHIFTS
from adapt.evaluation.calibration import fit_temperature, reliability_bins
from adapt.evaluation.evaluate import Scores, Split, metrics, softmax
from adapt.evaluation.metrics import confusion_matrix, per_class_table
from adapt.evaluation.wise_ft import Curve, mix, sweep
from adapt.methods.linear_probe import LinearProbe
from adapt.models.classifier import Classifier, probe_error
from adapt.recipe import Loaded, load_recipe
from adapt.report import write_report
from adapt.run_data import RunData, build_data
from adapt.run_files import (
    close_folder,
    environment,
    open_folder,
    thumbnails,
    training_log,
    write_csv,
    write_json,
)
from adapt.training.features import predict_logits
from adapt.training.loop import Context
from adapt.training.settings import Runtime
from adapt.weights.choose import alpha_grid

WORST_MISTAKES = 24
SHIPPED = "ensemble"
"""The name of the model that ends up in the bundle, whatever alpha it has."""


@dataclass
class Run:
    """What a run made."""

    folder: Path
    scores: dict[str, Any]
    classifier: Classifier


def load(recipe: str | Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read and check a recipe (by name or path); touches no image, weight or device.

    Raises:
        RecipeError: Listing every mistake.
    """
    return load_recipe(recipe, list(overrides), methods.schemas(), list(SHIFTS))


def run(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = True,
) -> Run:
    """Run a recipe from labelled images to report and bundle.

    Args:
        recipe: Name of a shipped recipe, or path.
        overrides: `key.path=value` texts.
        out: Run folder; `runs/<name>-<time>` when not given.
        resume: Go on from the last checkpoint in `out`.
        overwrite: Replace an earlier run in `out`.
        quiet: Say nothing on standard error.

    Raises:
        AdaptError: With the exit code the command line returns; what was finished stays in `out`.
    """
    loaded = load(recipe, overrides)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = open_folder(
        Path(out or Path("runs") / f"{loaded.recipe.name}-{stamp}"), resume, overwrite
    )
    try:
        return _run(loaded, folder, resume, quiet)
    finally:
        close_folder(folder)


def _run(loaded: Loaded, folder: Path, resume: bool, quiet: bool) -> Run:
    recipe, began = loaded.recipe, time.monotonic()
    say = _teller(folder, quiet)
    (folder / "recipe.yaml").write_text(loaded.text(), encoding="utf-8")
    write_json(folder / "environment.json", environment(recipe.runtime, recipe.seed))
    data = _read(loaded, folder, say)

    say(f"zero-shot: {recipe.model.arch} ({recipe.model.pretrained})")
    names = [data.fit.train.classes[key] for key in data.fit.class_names]
    model = recipe.model
    start = Classifier.from_clip(model.arch, model.pretrained, names, model.templates, recipe.seed)
    val, evals = _splits(data, start, recipe.runtime)

    say(f"method: {recipe.method['name']}")
    context = Context(recipe.runtime, recipe.seed, recipe.data.augmentation, folder, resume, quiet)
    fit_began = time.monotonic()
    tuned = loaded.method.fit(start, data.fit, context)
    seconds = {"fit": time.monotonic() - fit_began}
    training_log(folder)

    shipped, alpha, curve = _choose(loaded, folder, start, tuned, val, evals, say)
    models = {"zero_shot": start, "adapted": tuned, SHIPPED: shipped}
    if recipe.method["name"] not in ("linear_probe", "zero_shot"):
        say("linear probe, for comparison")
        models["linear_probe"] = LinearProbe().fit(start, data.fit, replace(context, folder=None))
    say("scores")
    seconds["total"] = time.monotonic() - began
    scores = _write_scores(folder, loaded, data, models, [val, *evals], alpha, curve, seconds)

    info = {"recipe": loaded.resolved, "alpha": alpha, "scores": scores["models"][SHIPPED]}
    error = probe_error(shipped.save(folder / "model", info))
    say(f"bundle written and read again: probe logits agree to {error:.1e}")
    for path in write_report(folder, recipe.report.formats)[: len(recipe.report.formats)]:
        say(f"wrote {path}")
    return Run(folder, scores, shipped)


def _read(loaded: Loaded, folder: Path, say: Callable[[str], None]) -> RunData:
    say("reading images")
    data = build_data(loaded.recipe)
    write_json(folder / "split.json", data.manifest)
    for note in data.notes:
        say(f"note: {note}")
    counts = f"{len(data.fit.train)} train, {len(data.fit.val or [])} val images"
    say(f"{counts}, {len(data.fit.class_names)} classes, {len(data.evals)} evals")
    return data


def _choose(
    loaded: Loaded,
    folder: Path,
    start: Classifier,
    tuned: Classifier,
    val: Split,
    evals: list[Split],
    say: Callable[[str], None],
) -> tuple[Classifier, float, Curve | None]:
    """Choose alpha, then the temperature, both on val."""
    recipe, curve = loaded.recipe, None
    shipped, alpha = tuned, 1.0
    if recipe.ensemble.kind == "wise_ft":
        say(f"weight-space curve: {recipe.ensemble.alphas} points")
        alphas, rule = alpha_grid(recipe.ensemble.alphas), recipe.ensemble.rule
        curve = sweep(start, tuned, val, evals, alphas, recipe.runtime, rule)
        write_json(folder / "curve.json", curve.to_dict())
        alpha = curve.chosen
        shipped = mix(start, tuned, alpha)
        say(f"alpha {alpha:g} chosen by the rule {rule}")
    if recipe.calibration.kind == "temperature":
        logits = predict_logits(shipped, val.pixels, recipe.runtime)
        shipped = shipped.with_temperature(fit_temperature(logits, val.targets))
    return shipped, alpha, curve


def _teller(folder: Path, quiet: bool) -> Callable[[str], None]:
    """A function that adds a line to `log.txt`, and to standard error unless quiet."""
    began = time.monotonic()

    def say(text: str) -> None:
        line = f"[{time.monotonic() - began:6.1f} s] {text}"
        with (folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        if not quiet:
            sys.stderr.write(line + "\n")

    return say


def _splits(data: RunData, start: Classifier, runtime: Runtime) -> tuple[Split, list[Split]]:
    assert data.fit.val is not None
    evals = [Split.read(name, images, start, runtime) for name, images in data.evals.items()]
    return Split.read("val", data.fit.val, start, runtime), evals


def _write_scores(
    folder: Path,
    loaded: Loaded,
    data: RunData,
    models: dict[str, Classifier],
    splits: list[Split],
    alpha: float,
    curve: Curve | None,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Score every model on every split and write scores, tables, reliability and mistakes."""
    runtime = loaded.recipe.runtime
    logits = {
        name: {s.name: predict_logits(model, s.pixels, runtime) for s in splits}
        for name, model in models.items()
    }
    scored: Scores = {"majority": {s.name: _majority(data, s) for s in splits}}
    for name, model in models.items():
        reference = logits["zero_shot"] if name != "zero_shot" else {}
        scored[name] = {
            s.name: metrics(
                logits[name][s.name], s.targets, model.temperature, reference.get(s.name)
            )
            for s in splits
        }
    names, temperature = data.fit.class_names, models[SHIPPED].temperature
    rows, confusion, mistakes = [], [], []
    reliability: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for split in splits:
        for name, model in models.items():
            table = per_class_table(
                softmax(logits[name][split.name], model.temperature), split.targets, names
            )
            rows += [
                [name, split.name, r["name"], r["n"], r["recall"], r["precision"], r["f1"]]
                for r in table
            ]
        probabilities = softmax(logits[SHIPPED][split.name], temperature)
        counts = confusion_matrix(probabilities, split.targets)
        confusion += [
            [split.name, names[i], names[j], counts[i, j]]
            for i, j in zip(*counts.nonzero(), strict=True)
        ]
        reliability["before"][split.name] = reliability_bins(
            softmax(logits[SHIPPED][split.name]), split.targets
        )
        reliability["after"][split.name] = reliability_bins(probabilities, split.targets)
        if split.name in data.evals:
            mistakes += _mistakes(split, probabilities, names)
    write_csv(
        folder / "per_class.csv", ["model", "eval", "class", "n", "recall", "precision", "f1"], rows
    )
    write_csv(folder / "confusion.csv", ["eval", "true", "predicted", "count"], confusion)
    write_json(folder / "reliability.json", reliability)
    worst = sorted(mistakes, key=lambda m: m["probability_of_true"])[:WORST_MISTAKES]
    thumbnails(folder, worst, data.evals)
    write_json(folder / "mistakes.json", worst)
    scores = _summary(loaded, data, models, scored, alpha, curve, seconds)
    write_json(folder / "scores.json", scores)
    return scores


def _majority(data: RunData, split: Split) -> dict[str, Any]:
    """Always saying the most frequent training class."""
    counts = data.fit.train.counts()
    most = data.fit.class_names.index(max(counts, key=lambda key: counts[key]))
    present = np.unique(split.targets)
    balanced = float(most in present) / len(present) if len(present) else None
    accuracy = float((split.targets == most).mean()) if len(split.targets) else None
    return {"n": len(split.targets), "accuracy": accuracy, "balanced_accuracy": balanced}


def _mistakes(split: Split, probabilities: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    predicted = probabilities.argmax(1)
    wrong = np.flatnonzero(predicted != split.targets)
    of_true = probabilities[np.arange(len(split.targets)), split.targets]
    worst = wrong[np.argsort(of_true[wrong], kind="stable")][:WORST_MISTAKES]
    return [
        {
            "path": split.images.relative(int(i)),
            "eval": split.name,
            "true": names[split.targets[i]],
            "predicted": names[predicted[i]],
            "confidence": float(probabilities[i].max()),
            "probability_of_true": float(of_true[i]),
            "index": int(i),
        }
        for i in worst
    ]


def _summary(
    loaded: Loaded,
    data: RunData,
    models: dict[str, Classifier],
    scored: Scores,
    alpha: float,
    curve: Curve | None,
    seconds: dict[str, float],
) -> dict[str, Any]:
    recipe = loaded.recipe
    start, tuned = models["zero_shot"].state_dict(), models["adapted"].state_dict()
    changed = sum(
        v.numel()
        for k, v in tuned.items()
        if not np.array_equal(v.cpu().numpy(), start[k].cpu().numpy())
    )
    total = sum(v.numel() for v in tuned.values())
    evals = {
        name: {
            "n": len(images),
            "per_class": images.counts(),
            "of": spec.of,
            "shift": spec.shift,
            "severity": spec.severity,
            "kind": "synthetic" if spec.shift else "natural",
        }
        for (name, images), spec in zip(data.evals.items(), data.specs.values(), strict=True)
    }
    fit = data.fit
    return {
        "format": 1,
        "name": recipe.name,
        "method": recipe.method["name"],
        "model": {"arch": recipe.model.arch, "pretrained": recipe.model.pretrained},
        "seed": recipe.seed,
        "classes": fit.class_names,
        "alpha": alpha,
        "selected_on": "val" if curve else None,
        "alpha_rule": curve.rule if curve else None,
        "temperature": models[SHIPPED].temperature,
        "trainable": {"parameters": changed, "total": total, "share": changed / total},
        "seconds": seconds,
        "data": {
            "train": {"n": len(fit.train), "per_class": fit.train.counts()},
            "val": {"n": len(fit.val or []), "per_class": fit.val.counts() if fit.val else {}},
            "evals": evals,
        },
        "quarantined": [{"path": q.path, "reason": q.reason} for q in data.quarantined],
        "notes": data.notes,
        "models": scored,
    }
