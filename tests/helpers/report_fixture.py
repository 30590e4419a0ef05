"""Made-up run folders for the tests of the report."""

import base64
import csv
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from adapt.report.figures.style import ReportFigure
from adapt.report.record.read import Absent, RunRecord
from adapt.report.record.scores import ScoreTable
from adapt.report.tables.cells import Cell, Table

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgqPv/HwAEHQJ/GlqX5gAAAABJRU5ErkJggg=="
)
MODELS = {"majority": -0.5, "zero_shot": 0.0, "linear_probe": 0.06, "adapted": 0.14}


def metrics(accuracy: float | None, gain: float | None = None, n: int = 400) -> dict[str, Any]:
    """Metrics of one model on one eval; all null without accuracy."""
    if accuracy is None:
        keys = ("accuracy", "balanced_accuracy", "nll", "ece", "brier")
        return {"n": 0, **dict.fromkeys(keys), **{f"{key}_ci": None for key in keys}}
    found: dict[str, Any] = {"n": n}
    values = {
        "accuracy": accuracy,
        "balanced_accuracy": accuracy - 0.012,
        "nll": 2 * (1 - accuracy) + 0.1,
        "ece": 0.03 + 0.1 * (1 - accuracy),
        "brier": 1.2 * (1 - accuracy),
    }
    for key, value in values.items():
        half = 0.03 if "accuracy" in key else 0.15 * value
        found |= {key: value, f"{key}_ci": None if key == "ece" else [value - half, value + half]}
    if gain is not None:
        bounds = [gain - 0.025, gain + 0.025]
        found["difference"] = {"accuracy": {"difference": gain, "ci": bounds}}
    return found


def make_scores(shifts: int = 5, classes: Sequence[str] = ("cat", "dog", "fox")) -> dict[str, Any]:
    """A whole `scores.json` with the given number of shifts; half of them synthetic."""
    cards: dict[str, Any] = {"test": _card("natural", classes, 400)}
    for index in range(shifts):
        if index % 2 == 0:
            cards[f"domain_{index}"] = _card("natural", classes, 300)
        else:
            kind = ("gaussian_blur", "jpeg")[index // 2 % 2]
            cards[f"{kind}_{index}"] = {
                "n": 400, "kind": "synthetic", "of": "test", "shift": kind,
                "severity": 1 + 2 * (index // 4), "per_class": {},
            }  # fmt: skip
    models: dict[str, Any] = {}
    for model, lift in {**MODELS, "ensemble": 0.12}.items():
        models[model] = {}
        for place, name in enumerate(["val", *cards]):
            start = 0.7 - 0.02 * place if place < 2 else 0.62 - 0.25 * (place - 2) / max(1, shifts)
            away = {"zero_shot": 0.0, "adapted": -0.07, "ensemble": 0.01}.get(model, 0.3 * lift)
            gain = lift if place < 2 or model == "zero_shot" else away + 0.011 * (place % 5)
            found = metrics(max(0.05, start + gain), None if model == "zero_shot" else gain)
            if model == "majority":
                found = {"n": 400, "accuracy": 0.11, "balanced_accuracy": 1 / len(classes)}
            models[model][name] = found
    return {
        "format": 1, "name": "pets_lora", "method": "lora",
        "model": {"arch": "ViT-B-32", "pretrained": "openai"}, "seed": 0,
        "classes": list(classes), "alpha": 0.4, "selected_on": "val", "alpha_rule": "val",
        "temperature": 1.2138, "guard": make_guard(),
        "trainable": {"parameters": 589824, "total": 151277313, "share": 0.0039},
        "data": {
            "train": _card("natural", classes, 16 * len(classes)),
            "val": _card("natural", classes, 4 * len(classes)), "evals": cards,
        },
        "quarantined": [{"path": "photos/cat/broken.jpg", "reason": "truncated after 1,024 bytes"}],
        "notes": ["3 near-duplicates were kept on one side of the split."], "models": models,
    }  # fmt: skip


def make_guard(outcome: str = "kept", **changes: object) -> dict[str, Any]:
    """What `scores.json` holds under `guard`."""
    reasons = {
        "kept": "At alpha 0.4 the model is no worse than zero-shot on held-out images.",
        "lowered": "At alpha 0.8 the model is worse than zero-shot on held-out images; alpha 0.4, "
        "the largest that is not, is shipped.",
        "fallback": "The adapted model is worse than zero-shot (-12.0 points against zero-shot "
        "on held-out images); zero-shot is shipped.",
    }
    return {
        "outcome": outcome, "reason": reasons[outcome], "alpha_before": 0.8, "alpha_after": 0.4,
        "n": 120, "adapted": {"difference": 0.14, "ci": [0.09, 0.2]},
        "against": {
            "zero_shot": {"difference": 0.12, "ci": [0.06, 0.18]},
            "linear_probe": {"difference": 0.06, "ci": [-0.01, 0.13]},
        },
        "worse_classes": [], **changes,
    }  # fmt: skip


def make_robustness(scores: dict[str, Any]) -> dict[str, Any]:
    """A whole `robustness.json` with a line for every shift but the last."""
    chance, names = random.Random(3), list(scores["data"]["evals"])
    scored = [model for model in scores["models"] if model != "majority"]
    shifts = {}
    for place, name in enumerate(names[1:]):
        known = {m: [scores["models"][m][e]["accuracy"] for e in ("test", name)] for m in scored}
        x, y = map(_logit, known["zero_shot"])
        fit = {"slope": 0.8, "slope_ci": [0.6, 1.0], "intercept": y - 0.8 * x, "models": 12}
        references = [[0.3 + 0.04 * k, 0.25 + 0.03 * k] for k in range(12)]
        lacks = place == len(names) - 2
        shifts[name] = {
            "classes": 2 if place == 0 else None, "fit": None if lacks else fit,
            "reason": "no reference models were measured on the shift" if lacks else None,
            "references": [] if lacks else references,
            "models": {m: _shift_row(*pair, known["zero_shot"], fit, lacks)
                       for m, pair in known.items()},
        }  # fmt: skip
    corrupted = {card["shift"] for card in scores["data"]["evals"].values() if card["shift"]}
    ratios = {"zero_shot": 1.0, "linear_probe": 0.97, "adapted": 1.12, "ensemble": 0.89}
    return {
        "format": 1, "id": "test", "shifts": shifts,
        "corruption_error": {
            model: {"mean": ratio, "kinds": dict.fromkeys(sorted(corrupted), ratio)}
            for model, ratio in ratios.items()
        } if corrupted else {},
        "flips": {
            name: {"n": 400, "rate": 0.2 + at / 100, "gained": 0.15 - at / 80,
                   "lost": 0.03 + at / 70, "ci": [0.16 + at / 100, 0.24 + at / 100]}
            for at, name in enumerate(names)
        },
        "retention": {
            "household": _retention(0.81, 0.09), "animals & plants": _retention(0.79, 0.25),
        },
        "groups": {"test": {"light": _groups(chance, 4), "camera": _groups(chance, 7)}},
    }  # fmt: skip


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _shift_row(
    on_id: float, ood: float, start: list[float], fit: dict[str, Any], lacks: bool
) -> dict[str, Any]:
    usual = 1 / (1 + math.exp(-fit["slope"] * _logit(on_id) - fit["intercept"]))
    gap = start[0] - start[1]
    return {
        "id": on_id, "ood": ood, "effective": None if lacks else ood - usual,
        "effective_ci": None if lacks else [ood - usual - 0.04, ood - usual + 0.04],
        "relative": ood - start[1],
        "gap_closed": 1 - (on_id - ood) / gap if gap > 0 else None,
    }  # fmt: skip


def _retention(start: float, loss: float) -> dict[str, Any]:
    curve = [{"alpha": a / 10, "accuracy": start - loss * (a / 10) ** 2} for a in range(11)]
    change = -loss * 0.16
    return {
        "n": 300, "classes": 20, "before": start, "after": start + change, "difference": change,
        "ci": [change - 0.02, change + 0.02], "curve": curve,
    }  # fmt: skip


def _groups(chance: random.Random, count: int) -> dict[str, Any]:
    names = ["day", "night", "dusk", "flash", "indoor", "studio", "(none)"][:count]
    rows = []
    for place, name in enumerate(names):
        n, accuracy = (12 if place == 2 else 60 + 7 * place), chance.uniform(0.6, 0.9)
        rows.append({
            "value": name, "n": n, "accuracy": accuracy, "before": accuracy - 0.05,
            "ci": [accuracy - 0.08, accuracy + 0.06], "ranked": n >= 20,
        })  # fmt: skip
    ranked = sorted((row for row in rows if row["ranked"]), key=lambda row: row["accuracy"])
    gap = ranked[-1]["accuracy"] - ranked[0]["accuracy"]
    return {"worst": ranked[0]["value"], "gap": gap, "rows": rows}


def make_uncertainty(scores: dict[str, Any]) -> dict[str, Any]:
    """A whole `uncertainty.json`."""
    found = {e: scores["models"]["ensemble"][e]["accuracy"] for e in scores["data"]["evals"]}
    coverage = [step / 100 for step in range(1, 101)]
    size = len(scores["classes"])

    def sets(shortfall: float) -> dict[str, Any]:
        return {
            name: {"coverage": 0.93 - shortfall - at / 40, "size": min(size, 1.3 + at / 10),
                   "coverage_ci": [0.9 - shortfall - at / 40, 0.95 - shortfall - at / 40],
                   "single": 0.7 - at / 50, "single_ci": [0.6 - at / 50, 0.8 - at / 50],
                   "empty": 0.01 * at, "empty_ci": [0.0, 0.02 + 0.01 * at]}
            for at, name in enumerate(found)
        }  # fmt: skip

    return {
        "format": 1, "temperature": scores["temperature"],
        "ece": {name: {"before": 0.1 + at / 50, "after": 0.03 + at / 60, "by_chance": 0.04,
                       "most_by_chance": 0.06} for at, name in enumerate(found)},
        "risk_coverage": {
            name: {"coverage": coverage, "area": (1 - accuracy) / 3,
                   "risk": [(1 - accuracy) * c ** 1.4 for c in coverage]}
            for name, accuracy in found.items()
        },
        "abstention": {"coverage": 0.9, "threshold": 0.41, "evals": {
            name: {"coverage": share, "coverage_ci": [share - 0.04, share + 0.03],
                   "accuracy": 1 - (1 - found[name]) * share ** 1.4, "accuracy_ci": [0.5, 0.9]}
            for name, share in zip(found, coverage[89::-5], strict=False)
        }},
        "conformal": {
            "level": 0.9, "held_out": 40, "score": "aps", "randomised": False, "empty": True,
            "global": {"evals": sets(0.0)},
            "per_class": {"evals": sets(0.02), "uncovered": []},
            "scores": {"lac": sets(0.01), "aps": sets(0.0), "raps": {}},
        },
        "unknown": {"eval": "unknown", "n": 100, "against": "test", "detectors": {
            "msp": {"auroc": 0.81, "fpr95": 0.62}, "energy": {"auroc": 0.84, "fpr95": 0.55},
            "knn": {"auroc": 0.9, "fpr95": 0.33},
        }},
    }  # fmt: skip


def make_run(
    folder: Path, classes: Sequence[str] | int = 3, shifts: int = 5, **changes: object
) -> Path:
    """Write a whole run folder, the same for the same arguments, and returns it."""
    chance = random.Random(7)
    names = [f"class {i:03d}" for i in range(classes)] if isinstance(classes, int) else classes
    scores = make_scores(shifts, names) | changes
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "scores.json", scores)
    _write(folder / "curve.json", _curve(scores))
    _write(folder / "robustness.json", make_robustness(scores))
    _write(folder / "uncertainty.json", make_uncertainty(scores))
    _write(folder / "reliability.json", _reliability(scores, chance))
    _write_rows(folder / "per_class.csv", _per_class(names, chance))
    _write_rows(folder / "confusion.csv", _confusion(names, chance))
    _write_rows(folder / "metrics.csv", _log(chance))
    _write(folder / "mistakes.json", _mistakes(names, chance))
    thumbnails = folder / "figures" / "mistakes"
    thumbnails.mkdir(parents=True, exist_ok=True)
    for index in range(11):
        (thumbnails / f"{index}.png").write_bytes(PIXEL)
    environment = {"adapt": "0.1.0", "torch": "2.9.0", "python": "3.11.9", "device": "cpu"}
    _write(folder / "environment.json", environment)
    timing = {"format": 1, "fit": 312.4, "total": 401.2, "resumed": 0, "stages": {}}
    _write(folder / "timing.json", timing)
    (folder / "recipe.yaml").write_text("version: 1\nname: pets_lora # <b>&\n", encoding="utf-8")
    return folder


def _card(kind: str, classes: Sequence[str], n: int) -> dict[str, Any]:
    counts = {name: n // len(classes) + index % 3 for index, name in enumerate(classes)}
    return {
        "n": n, "kind": kind, "of": None, "shift": None, "severity": None, "per_class": counts,
    }  # fmt: skip


def _curve(scores: dict[str, Any]) -> dict[str, Any]:
    points = []
    for step in range(11):
        alpha = step / 10
        point: dict[str, Any] = {"alpha": alpha}
        for name, start in scores["models"]["zero_shot"].items():
            low, high = start["accuracy"], scores["models"]["adapted"][name]["accuracy"]
            bend = 0.24 * alpha * (1 - alpha)
            point[name] = metrics(None if low is None else low + alpha * (high - low) + bend)
        point["synthetic"] = 0.58 + 0.26 * alpha * (1.1 - alpha)
        point["regret"] = abs(alpha - 0.5) / 10
        points.append(point)
    rules = {"val": 0.8, "val_one_se": 0.4, "synthetic_shift": 0.6, "min_regret": 0.5}
    rules["synthetic_one_se"] = 0.3
    table = {
        rule: {
            "alpha": a,
            "accuracy": 0.7 + a / 7,
            "temperature": 1 + a / 2,
            "why": f"What {rule} takes",
        }
        for rule, a in rules.items()
    }
    return {
        "format": 1, "points": points, "chosen": 0.4, "rule": "val_one_se", "rules": table,
    }  # fmt: skip


def _reliability(scores: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for stage, over in (("before", 0.11), ("after", 0.02)):
        found[stage] = {}
        for name in scores["models"]["zero_shot"]:
            bins = []
            for index in range(15):
                middle = (index + 0.5) / 15
                n = int(3 + 120 * middle**3) if index > 1 else 0
                accuracy = max(0.0, middle - over * chance.uniform(0.4, 1.4))
                bins.append({
                    "lower": index / 15, "upper": (index + 1) / 15, "n": n,
                    "confidence": middle if n else None, "accuracy": accuracy if n else None,
                })  # fmt: skip
            found[stage][name] = bins
    return found


def _per_class(names: Sequence[str], chance: random.Random) -> list[dict[str, Any]]:
    rows = []
    for index, name in enumerate(names):
        before = chance.uniform(0.3, 0.95)
        after = min(1.0, max(0.0, before + chance.uniform(-0.12, 0.3)))
        for model, recall in (("zero_shot", before), ("ensemble", after)):
            rows.append({
                "model": model, "eval": "test", "class": name, "n": 10 + index % 4,
                "recall": recall, "precision": min(1.0, recall + 0.03), "f1": recall,
                **{f"{ratio}_{end}": recall + step for ratio in ("recall", "precision", "f1")
                   for end, step in (("low", -0.1), ("high", 0.05))},
            })  # fmt: skip
    return rows


def _confusion(names: Sequence[str], chance: random.Random) -> list[dict[str, Any]]:
    rows = []
    for index, name in enumerate(names):
        rows.append({"eval": "test", "true": name, "predicted": name, "count": 9 + index % 4})
        for _ in range(2):
            other = names[chance.randrange(len(names))]
            if other != name:
                count = chance.randint(1, 5)
                rows.append({"eval": "test", "true": name, "predicted": other, "count": count})
    return rows


def _log(chance: random.Random) -> list[dict[str, Any]]:
    rows = []
    for step in range(0, 200, 4):
        loss = 0.3 + 1.6 * 0.98**step + chance.uniform(-0.05, 0.05)
        rows.append(
            {"epoch": step // 20, "step": step, "train_loss": loss, "lr": 5e-4 * (1 - step / 200)}
        )
        if step % 20 == 16:
            rows.append({
                "epoch": step // 20, "step": step, "val_loss": 0.5 + 1.2 * 0.98**step,
                "val_accuracy": 0.8 - 0.2 * 0.98**step,
            })  # fmt: skip
    return rows


def _mistakes(names: Sequence[str], chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "path": f"photos/{names[index % len(names)]}/image_{index:04d}.jpg", "eval": "test",
            "true": names[index % len(names)], "predicted": names[(index + 1) % len(names)],
            "confidence": 0.99 - 0.01 * index, "probability_of_true": 0.004 + 0.001 * index,
            "thumbnail": f"figures/mistakes/{index}.png",
        }
        for index in range(12)
    ]  # fmt: skip


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    header = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)


def record(scores: Mapping[str, Any], **files: Any) -> RunRecord:
    """A run of these scores, without any file but those given."""
    return RunRecord(Path("run"), ScoreTable(scores), **files)


def changed(run: RunRecord, file: str, **parts: object) -> RunRecord:
    """The run with parts of one file replaced."""
    if file == "scores":
        return replace(run, scores=ScoreTable({**run.scores, **parts}))
    return replace(run, **{file: {**getattr(run, file), **parts}})


def stored(run: RunRecord, file: str) -> Any:
    """A deep copy of one file, free to be changed."""
    return json.loads(json.dumps(dict(getattr(run, file))))


def texts(row: list[Cell]) -> list[str]:
    """The main texts of a row."""
    return [cell.text for cell in row]


def rows_of(table: Table | None) -> dict[str, list[Cell]]:
    """The rows of a table by the text of their first cell; all are as long as the header."""
    assert table is not None
    assert all(len(row) == len(table.header) for row in table.rows)
    assert sum(span for _, span in table.groups) in (0, len(table.header))
    return {row[0].text: row for row in table.rows}


def lines_of(axes: Axes, label: str) -> list[np.ndarray]:
    """The points of every line with this label."""
    return [np.array(line.get_data()) for line in axes.lines if line.get_label() == label]


def figure_of(shown: ReportFigure | Absent) -> ReportFigure:
    """A figure that must be there."""
    assert isinstance(shown, ReportFigure)
    return shown


def percent(value: float) -> str:
    """A fraction as the report writes it."""
    return f"{100 * value:.1f} %"


def small_scores(zero: float, shipped: float, away: tuple[float, float] | None) -> dict[str, Any]:
    """Scores of zero-shot and ensemble on val, test and, where given, one shift."""
    gain = shipped - zero
    models: dict[str, Any] = {
        "zero_shot": {"val": metrics(zero), "test": metrics(zero)},
        "ensemble": {"val": metrics(shipped, gain), "test": metrics(shipped, gain)},
    }
    if away:
        models["zero_shot"]["sketch"] = metrics(away[0])
        models["ensemble"]["sketch"] = metrics(away[1], away[1] - away[0])
    return {"format": 1, "classes": ["a", "b"], "alpha": 0.5, "models": models}


def with_probe_shipped(run: RunRecord) -> RunRecord:
    """The run where the mixed probe (alpha 0.9) ships, and the mixed model (alpha 0.4) does not."""
    models = stored(run, "scores")["models"]
    models["mixed_probe"] = models["linear_probe"]
    candidates = {"zero_shot": 0.0, "mixed": 0.4, "probe": 0.9}
    ship = {
        "candidate": "probe", "reason": "the mixed model is clearly worse", "n": 120,
        "candidates": {name: {"alpha": alpha} for name, alpha in candidates.items()},
    }  # fmt: skip
    parts = {"models": models, "shipped": "mixed_probe", "alpha": 0.9, "ship": ship}
    probe = stored(run, "curve")
    probe |= {
        "chosen": 0.9,
        "rule": "val",
        "rules": {"val": probe["rules"]["val"] | {"alpha": 0.9}},
    }
    return changed(changed(run, "scores", **parts), "curve", probe=probe)


def _drawn(counts: Sequence[int], shots: int, seed: int) -> list[str]:
    """Images of one draw, by another way than the package's: nested, all where there are few."""
    images = []
    for label, count in enumerate(counts):
        order = np.random.default_rng([seed, label]).permutation(count)
        images += [f"{label}/{image}.jpg" for image in order[:shots]]
    return images


def with_protocol(
    run: RunRecord,
    counts: Sequence[int],
    accuracies: Mapping[int, Sequence[float]],
    known: bool = True,
) -> RunRecord:
    """The run with few_shot.json as `adapt run` writes it for these classes."""
    cells: list[dict[str, Any]] = [
        {"shots": k, "seed": seed, "images": _drawn(counts, k, seed), "accuracy": {"test": value}}
        for k, values in accuracies.items()
        for seed, value in enumerate(values)
    ]
    few_shot: dict[str, Any] = {
        "format": 1, "shots": list(accuracies), "seeds": 4, "zero_shot": {"test": 0.5},
        "cells": cells, "judged_on": "test", "fewest_images": min(counts),
        "below_zero_shot": [
            {"shots": cell["shots"], "seed": cell["seed"]}
            for cell in cells if cell["accuracy"]["test"] < 0.5
        ],
    }  # fmt: skip
    card = {f"class {label}": count for label, count in enumerate(counts)} if known else {}
    data = {**run.scores["data"], "train": {"n": sum(counts), "per_class": card}}
    return replace(run, few_shot=few_shot, scores=ScoreTable({**run.scores, "data": data}))
