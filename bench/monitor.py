"""How far `adapt monitor` can be trusted: its estimates of accuracy, intervals, and false alarms.

    python -m bench.monitor encode WORK --pacs FOLDER   # features of all sets, once
    python -m bench.monitor train WORK --pacs FOLDER    # also models whose encoders were trained
    python -m bench.monitor measure WORK                # docs/benchmarks/monitor.json
    python -m bench.monitor_alarms WORK                 # docs/benchmarks/monitor_alarms.json
    python -m bench.monitor page                        # docs/benchmarks/monitor.md, from both

In turn each domain of the pictograms and of PACS is the place that a model is adapted to. The
others are the new places, beside its own test images, corruptions of these, and draws of them with
another mix of classes. No label of a new place is seen by an estimator.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax

from adapt.common.files import write_json
from adapt.data.image_data import ImageData
from adapt.data.images import Images
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.line import Line
from adapt.evaluation.evaluate import Split, softmax
from adapt.evaluation.unlabelled.estimates import (
    AVERAGED,
    DEFAULT,
    TITLES,
    accuracies_along,
    accuracy_estimates,
    estimate_interval,
)
from adapt.evaluation.unlabelled.label_shift import most_likely_shift, with_mix
from adapt.evaluation.unlabelled.reference import reference_of
from adapt.methods.encoders.full import Full
from adapt.methods.features.support import Support
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare
from adapt.training.runtime import Runtime
from adapt.training.settings import Optim
from bench.document import rewrite_below
from bench.monitor_alarms import OUT as ALARMS
from bench.monitor_alarms import encoded

PAGE, DATA = Path("docs/benchmarks/monitor.md"), Path("docs/benchmarks/monitor.json")
MARKER = "<!-- Below this line: written by python -m bench.monitor -->"
PICTOGRAMS = ("emoji", "outline", "solid", "colour", "silhouette")
PACS = ("photo", "art_painting", "cartoon", "sketch")
CORRUPTIONS = ("gaussian_noise", "defocus_blur", "contrast", "rotation")
SEVERITIES = (2, 4)
MOST_TRAIN, MOST_NEW, MOST_CORRUPTED = 450, 300, 120
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEEDS = 2
AIM, COVERED = 6.0, 0.85
"""Points of mean error, and coverage, that are wanted on the shifts."""
MIXES = 2
"""Draws with another mix of classes, of each model."""


@dataclass(frozen=True)
class Encoded:
    """Features and class numbers of one set."""

    features: np.ndarray
    targets: np.ndarray


def domains(pacs: Path) -> dict[str, tuple[ImageList, ImageList]]:
    """Training and test images by `data/domain`."""
    found = {}
    for name in PICTOGRAMS:
        parts = [Images.from_embedded("pictograms", name, part) for part in ("train", "test")]
        if len(parts[0]) < MOST_TRAIN:  # of most domains there are few: more of the others train
            order = np.random.default_rng(1).permutation(len(parts[1]))
            middle = len(order) // 2
            parts = [parts[1].subset(np.sort(rows)) for rows in (order[middle:], order[:middle])]
        found[f"pictograms/{name}"] = (_some(parts[0], MOST_TRAIN), _some(parts[1], MOST_NEW))
    import pandas as pd

    rows = pd.read_csv(pacs / "manifest.csv")
    rows["domain"] = rows["path"].str.split("/").str[0]
    for name in PACS:
        lists = []
        for part in ("train", "val"):
            own = rows[(rows["domain"] == name) & (rows["split"] == part)]
            paths = [str(pacs / path) for path in own["path"]]
            lists.append(ImageList(paths, own["label"].tolist(), None, None, str(pacs), {}))
        found[f"pacs/{name}"] = (_some(lists[0], MOST_TRAIN), _some(lists[1], MOST_NEW))
    return found


def _some(images: ImageList, most: int) -> ImageList:
    rows = np.random.default_rng(0).permutation(len(images))[:most]
    return images.subset(np.sort(rows))


def start_for(name: str, every: Mapping[str, tuple[ImageList, ImageList]]) -> Classifier:
    """The zero-shot model for the classes of all domains of one data set."""
    data = name.split("/")[0]
    names = sorted({label for key, (own, _) in every.items() if key.startswith(data)
                    for label in own.labels})  # fmt: skip
    return Classifier.from_clip("adapt-icons-xs", "embedded", names)


def corrupted(images: ImageList) -> Iterator[tuple[str, ImageList]]:
    """Corruptions of a part of the test images, by name."""
    part = _some(images, MOST_CORRUPTED)
    for kind in CORRUPTIONS:
        for severity in SEVERITIES:
            yield f"{kind}-{severity}", part.with_shift(Shift(kind, severity))


def sets_of(name: str, every: Mapping[str, tuple[ImageList, ImageList]]) -> dict[str, ImageList]:
    """All sets that a model of one domain meets: its training and test images and new places."""
    train, test = every[name]
    sets = {"train": train, "test": test}
    data = name.split("/")[0]
    for other, (_, new) in every.items():
        if other != name and other.startswith(data):
            sets[other] = new
    return sets | dict(corrupted(test))


def encode(work: Path, pacs: Path, names: list[str]) -> None:
    """Features of the start for the training and test images of each domain, and corruptions."""
    work.mkdir(parents=True, exist_ok=True)
    every, runtime = domains(pacs), Runtime(precision="32")
    for name in names or every:
        place = work / f"{name.replace('/', '-')}.npz"
        if place.exists():
            continue
        start = start_for(name, every)
        own_train, test = every[name]
        sets = {"train": own_train, "test": test} | dict(corrupted(test))
        arrays = {"head": start.head.weight.detach().numpy(), "classes": start.class_names}
        for key, images in sets.items():
            pixels = prepare(images, start.backbone.preprocessing, runtime)
            arrays[f"{key}:features"] = image_features(start.backbone, pixels, runtime).numpy()
            arrays[f"{key}:targets"] = images.targets(start.class_names)
        np.savez(place, **arrays)
        print(name, {key: len(value) for key, value in arrays.items() if "features" in key})


def train(work: Path, pacs: Path, names: list[str]) -> None:
    """Logits along the line of models whose encoders were trained, for every set."""
    every, runtime = domains(pacs), Runtime(precision="32")
    for name in names or every:
        place = work / f"full-{name.replace('/', '-')}.npz"
        if place.exists():
            continue
        start = start_for(name, every)
        sets = sets_of(name, every)
        own, val = _divided(len(sets["train"]), 0)
        fit = ImageData(sets["train"].subset(own), sets["train"].subset(val))
        method = Full(optim=Optim(lr=3e-4, epochs=3, batch_size=64))
        tuned = method.fit(start, fit, Context(runtime))
        line = Line(start, tuned, runtime)
        sets["val"] = sets["train"].subset(val)
        splits = [Split.read(key, images, start, runtime) for key, images in sets.items()]
        arrays = {f"{split.name}:targets": split.targets for split in splits}
        for alpha in ALPHAS:
            for split, logits in zip(splits, line.logits(alpha, splits), strict=True):
                arrays[f"{split.name}:{alpha}"] = logits
        np.savez(place, **arrays)
        print(name, "trained")


def _divided(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and as many that are held out: few tell little of any accuracy."""
    rows = np.random.default_rng(seed).permutation(images)
    held = images // 2
    return np.sort(rows[held:]), np.sort(rows[:held])


@dataclass(frozen=True)
class Model:
    """Logits of a model along its line, by set and alpha, and the labels."""

    name: str
    logits: dict[str, dict[float, np.ndarray]]
    targets: dict[str, np.ndarray]
    features: dict[str, np.ndarray]


def models(work: Path) -> Iterator[Model]:
    """All models: probes on frozen features, and those whose encoders were trained."""
    for name, arrays in encoded(work).items():
        for seed in range(SEEDS):
            yield _probe(f"probe-{name}-{seed}", arrays, seed)
    for place in sorted(work.glob("full-*.npz")):
        with np.load(place) as stored:
            yield _trained(place.stem, {key: stored[key] for key in stored.files})


def _trained(name: str, arrays: dict[str, np.ndarray]) -> Model:
    keys = [key.removesuffix(":targets") for key in arrays if key.endswith(":targets")]
    targets = {key: arrays[f"{key}:targets"] for key in keys if key != "train"}
    logits = {key: {a: arrays[f"{key}:{a}"] for a in ALPHAS} for key in targets}
    return Model(name, logits, targets, {})


def _probe(name: str, arrays: dict[str, np.ndarray], seed: int) -> Model:
    keys = [key.removesuffix(":targets") for key in arrays if key.endswith(":targets")]
    features = {key: arrays[f"{key}:features"] for key in keys}
    targets = {key: arrays[f"{key}:targets"] for key in keys}
    own, val = _divided(len(targets["train"]), seed)
    head = torch.from_numpy(arrays["head"])
    views = torch.from_numpy(features["train"][own])[None]
    fitted = LinearProbe(C=10.0).head(Support(views, torch.from_numpy(targets["train"][own]), head))
    weight, bias = fitted.weight.detach().numpy(), fitted.bias.detach().numpy()
    for part in (features, targets):
        part["val"] = part["train"][val]
        part.pop("train")
    logits = {
        key: {a: values @ ((1 - a) * arrays["head"] + a * weight).T + a * bias for a in ALPHAS}
        for key, values in features.items()
    }
    return Model(name, logits, targets, features)


def cases(model: Model) -> Iterator[dict[str, Any]]:
    """Every new place of a model: truth, estimates, interval, and what a corrected mix gives."""
    held = HeldOut(model.targets["val"], model.logits["val"])
    chosen = choose_alpha(held.evidence(), "likelihood_gain", None)
    chosen = chosen if chosen > 0 else 0.25
    points = {alpha: (held.logits[alpha], held.temperature(alpha)) for alpha in ALPHAS}
    reference = reference_of(
        "val", held.targets, held.logits[chosen], held.temperature(chosen), "none",
        (chosen, points),
    )  # fmt: skip
    for key, kind, rows in _new_places(model):
        targets = model.targets[key][rows]
        probabilities = softmax(model.logits[key][chosen][rows], held.temperature(chosen))
        line = {}
        for alpha in ALPHAS:
            own = softmax(model.logits[key][alpha][rows], held.temperature(alpha))
            line[alpha] = (own.argmax(1), own.max(1).astype(np.float32))
        found = accuracy_estimates(reference, probabilities, line)
        truth = float((probabilities.argmax(1) == targets).mean())
        ends = estimate_interval(
            found[DEFAULT], reference.accuracy, len(held.targets), len(targets)
        )
        mix = most_likely_shift(probabilities, reference.prior)
        corrected = with_mix(probabilities, reference.prior, mix)
        along = accuracies_along(reference, line)
        true_along = {alpha: float((said[0] == targets).mean()) for alpha, said in line.items()}
        picked = max(along, key=lambda alpha: (round(along[alpha], 3), -alpha))
        yield {
            "model": model.name,
            "set": key,
            "kind": kind,
            "n": len(targets),
            "held_out": len(held.targets),
            "reference": reference.accuracy,
            "truth": truth,
            "estimates": found,
            "ci": ends,
            "corrected": float((corrected.argmax(1) == targets).mean()),
            "nll": [_loss(part, targets) for part in (probabilities, corrected)],
            "alpha": {"shipped": chosen, "picked": picked, "accuracy": true_along},
        }


def _loss(probabilities: np.ndarray, targets: np.ndarray) -> float:
    logs = log_softmax(np.log(np.maximum(probabilities, 1e-12)), axis=1)
    return float(-logs[np.arange(len(targets)), targets].mean())


def _new_places(model: Model) -> Iterator[tuple[str, str, np.ndarray]]:
    for key, targets in model.targets.items():
        if key == "val":
            continue
        kind = "same" if key == "test" else "domain" if "/" in key else "corruption"
        yield key, kind, np.arange(len(targets))
    generator, targets = np.random.default_rng(0), model.targets["test"]
    for _ in range(MIXES):
        mix = generator.dirichlet(np.full(targets.max() + 1, 0.3))
        weights = mix[targets] / np.bincount(targets, minlength=len(mix))[targets]
        rows = generator.choice(len(targets), 200, p=weights / weights.sum())
        yield "test", "mix", rows


def measure(work: Path) -> None:
    """All numbers of the page but those of the two-sample test."""
    write_json(DATA, {"cases": [case for model in models(work) for case in cases(model)]})


KINDS = {
    "same": "its own test images",
    "mix": "another mix of classes",
    "corruption": "corruptions",
    "domain": "another domain",
}


def page() -> None:
    """The tables of the page."""
    content = json.loads(DATA.read_text(encoding="utf-8"))
    if ALARMS.exists():
        content |= json.loads(ALARMS.read_text(encoding="utf-8"))
    found = [_judged(case) for case in content["cases"]]
    lines = [*_estimator_table(found), *_coverage_table(found), *_alarm_table(content)]
    lines += [*_mix_table(found), *_alpha_table(found)]
    rewrite_below(PAGE, MARKER, lines)


def _judged(case: dict[str, Any]) -> dict[str, Any]:
    """A case with the mean of estimators and the interval as they are now."""
    own = dict(case["estimates"])
    own["mean"] = float(np.mean([own[name] for name in AVERAGED]))
    given = own[DEFAULT], case["reference"], case["held_out"], case["n"]
    return case | {"estimates": own, "ci": estimate_interval(*given)}


def _of_kind(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [case for case in found if case["kind"] == kind]


def _table(title: str, header: list[str], rows: list[list[str]]) -> list[str]:
    marks = ["---", *["---:"] * (len(header) - 1)]
    return [
        "",
        f"## {title}",
        "",
        *("| " + " | ".join(row) + " |" for row in [header, marks, *rows]),
    ]


def _error(found: list[dict[str, Any]], name: str) -> str:
    errors = [abs(case["estimates"][name] - case["truth"]) for case in found]
    return f"{100 * np.mean(errors):.1f}"


def _estimator_table(found: list[dict[str, Any]]) -> list[str]:
    shifts = [case for case in found if case["kind"] != "same"]
    header = ["estimator", *KINDS.values(), "all shifts"]
    rows = []
    for name, title in TITLES.items():
        shown = f"**{title}**" if name == DEFAULT else title
        parts = [_error(_of_kind(found, kind), name) for kind in KINDS]
        rows.append([shown, *parts, _error(shifts, name)])
    fallen = [case["reference"] - case["truth"] for case in shifts]
    nothing = [f"{100 * np.mean(np.abs([c['reference'] - c['truth'] for c in own])):.1f}"
               for own in [*(_of_kind(found, kind) for kind in KINDS), shifts]]  # fmt: skip
    rows.append(["accuracy of val, as if nothing had changed", *nothing])
    counts = ", ".join(f"{len(_of_kind(found, kind))} {what}" for kind, what in KINDS.items())
    models = len({case["model"] for case in found})
    return [
        *_table("Estimated accuracy: mean absolute error in points", header, rows),
        "",
        f"{len(found)} cases of {models} models: {counts}. On the shifts the accuracy falls by "
        f"{100 * np.mean(fallen):.1f} points on average, {100 * np.max(fallen):.1f} at most.",
        "",
        _verdict(shifts),
    ]


def _verdict(shifts: list[dict[str, Any]]) -> str:
    """Whether the aims are reached."""
    error = float(_error(shifts, DEFAULT))
    inside = [case["ci"][0] <= case["truth"] <= case["ci"][1] for case in shifts]
    reached = ["reached" if good else "**not reached**"
               for good in (error <= AIM, np.mean(inside) >= COVERED)]  # fmt: skip
    return (
        f"The aim of {AIM:g} points for the default is {reached[0]} ({error:.1f}); that its "
        f"interval covers in {100 * COVERED:g} % of the cases is {reached[1]} "
        f"({100 * np.mean(inside):.0f} %)."
    )


def _coverage_table(found: list[dict[str, Any]]) -> list[str]:
    rows = []
    for name, own in {what: _of_kind(found, kind) for kind, what in KINDS.items()}.items():
        rows.append([name, *_coverage(own)])
    rows.append(["all shifts", *_coverage([c for c in found if c["kind"] != "same"])])
    header = ["new place", "covers", "mean half-width in points", "below the interval"]
    return _table("The interval of the default", header, rows)


def _coverage(own: list[dict[str, Any]]) -> list[str]:
    inside = [case["ci"][0] <= case["truth"] <= case["ci"][1] for case in own]
    widths = [(case["ci"][1] - case["ci"][0]) / 2 for case in own]
    below = [case["truth"] < case["ci"][0] for case in own]
    return [
        f"{100 * np.mean(inside):.0f} %",
        f"{100 * np.mean(widths):.1f}",
        f"{100 * np.mean(below):.0f} %",
    ]


def _alarm_table(content: dict[str, Any]) -> list[str]:
    if "false_alarms" not in content:
        return ["", "## False alarms of the two-sample test", "", "Not measured here yet."]
    rows = [
        [row["data"], str(row["known"]), str(row["new"])]
        + [f"{100 * rate:.1f} %" for rate in row["rates"].values()]
        for row in content["false_alarms"]
    ]
    header = ["images of", "held-out", "new", "alarms at 5 %", "at 1 %"]
    lines = _table("False alarms of the two-sample test", header, rows)
    power_rows = []
    for kind, what in KINDS.items():
        own = [row for row in content["power"] if row["kind"] == kind]
        if own and kind != "same":
            shares = [
                np.mean([row["noticed"] for row in own if row["images"] == images])
                for images in (20, 50, 100)
            ]
            power_rows.append([what, *(f"{100 * share:.0f} %" for share in shares)])
    header = ["new place", "20 images", "50 images", "100 images"]
    return lines + _table("What the test notices (level 5 %)", header, power_rows)


def _mix_table(found: list[dict[str, Any]]) -> list[str]:
    rows = []
    for kind, what in KINDS.items():
        own = _of_kind(found, kind)
        before, after = (np.mean([case[key] for case in own]) for key in ("truth", "corrected"))
        worse = np.mean([case["corrected"] < case["truth"] - 0.01 for case in own])
        losses = [np.mean([case["nll"][place] for case in own]) for place in (0, 1)]
        rows.append(
            [what, f"{100 * before:.1f}", f"{100 * after:.1f}", f"{100 * worse:.0f} %"]
            + [f"{loss:.3f}" for loss in losses]
        )
    header = ["new place", "accuracy", "with the estimated mix", "worse by a point", "nll", "after"]
    return _table("`adapt predict --transductive mix`", header, rows)


def _alpha_table(found: list[dict[str, Any]]) -> list[str]:
    rows = []
    for kind, what in KINDS.items():
        own = [case["alpha"] for case in _of_kind(found, kind)]
        parts = [
            np.mean([case["accuracy"][str(case["shipped"])] for case in own]),
            np.mean([case["accuracy"][str(case["picked"])] for case in own]),
            np.mean([max(case["accuracy"].values()) for case in own]),
        ]
        rows.append([what, *(f"{100 * part:.1f}" for part in parts)])
    header = ["new place", "at the alpha that ships", "at the estimated best", "at the true best"]
    return _table("Which alpha is best there: accuracy", header, rows)


def main() -> None:
    """Run one of the steps."""
    parser = argparse.ArgumentParser(prog="python -m bench.monitor", description=__doc__)
    parser.add_argument("step", choices=("encode", "train", "measure", "page"))
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--pacs", type=Path)
    parser.add_argument(
        "--of", nargs="*", default=[], help="domains such as pacs/photo; all if none"
    )
    arguments = parser.parse_args()
    if arguments.step == "page":
        page()
    elif arguments.step == "measure":
        measure(arguments.work)
    elif arguments.step == "encode":
        encode(arguments.work, arguments.pacs, arguments.of)
    else:
        train(arguments.work, arguments.pacs, arguments.of)


if __name__ == "__main__":
    main()
