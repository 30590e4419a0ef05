"""What the report says, before it is HTML or Markdown."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.report.figures import accuracy as figures_robustness
from adapt.report.figures import augmentation as figures_augmentation
from adapt.report.figures import classes as figures_classes
from adapt.report.figures.style import Absent, Picture
from adapt.report.record.numbers import (
    decimal,
    difference,
    metric,
    model_name,
    percent,
    points,
    shift_difference,
    shift_mean,
    shifts,
    shipped,
    test,
)
from adapt.report.record.read import Run, number
from adapt.report.sections import (
    Block,
    alpha_part,
    few_shot_part,
    robustness_part,
    uncertainty_part,
)
from adapt.report.tables.cells import Table
from adapt.report.tables.scores import (
    accuracy_table,
    balanced_table,
    calibration_table,
    class_table,
    count_table,
    ladder_table,
    pairs_table,
    split_table,
)
from adapt.report.verdict import WARNING, verdict

MISTAKES_SHOWN = 24
QUARANTINED_SHOWN = 200
_MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


@dataclass(frozen=True)
class Fact:
    """A number on the summary card: what it is, its value, and a remark."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction; ``image`` is a data URI, or None with the reason in ``missing``."""

    path: str
    eval: str
    true: str
    predicted: str
    confidence: str
    probability_of_true: str
    thumbnail: str
    image: str | None
    missing: str


@dataclass(frozen=True)
class Content:
    """Everything a report shows, in the order of its sections."""

    name: str
    subtitle: str
    warnings: list[str]
    findings: list[str]
    facts: list[Fact]
    settings: list[Fact]
    pictures: Mapping[str, list[Picture | Absent]]
    parts: Mapping[str, list[Block]]
    ladder: Table
    accuracy: Table
    balanced: Table
    calibration: Table
    pairs: Table | None
    no_pairs: str
    classes: Table | None
    mistakes: list[Mistake]
    mistakes_in_all: int
    no_mistakes: str
    splits: Table
    counts: Table | None
    quarantined: list[Mapping[str, Any]]
    quarantined_in_all: int
    notes: list[str]
    environment: list[Fact]
    no_environment: str
    recipe: str | None
    no_recipe: str


def build(run: Run) -> Content:
    """Computes all words, tables and figures; call it inside ``house_style``."""
    scores, said = run.scores, verdict(run.scores)
    quarantined = list(scores.get("quarantined") or [])
    return Content(
        name=str(scores.get("name") or run.folder.name),
        subtitle=_subtitle(run),
        warnings=[each.removeprefix(WARNING) for each in said if each.startswith(WARNING)],
        findings=[each for each in said if not each.startswith(WARNING)],
        facts=_facts(run),
        settings=_settings(run),
        pictures=_pictures(run),
        parts={
            "alpha": alpha_part(run),
            "robustness": robustness_part(run),
            "uncertainty": uncertainty_part(run),
            "few_shot": few_shot_part(run),
        },
        ladder=ladder_table(scores),
        accuracy=accuracy_table(scores),
        balanced=balanced_table(scores),
        calibration=calibration_table(scores),
        pairs=pairs_table(run),
        no_pairs=_no_pairs(run),
        classes=class_table(run),
        mistakes=[_mistake(run, each) for each in (run.mistakes or [])[:MISTAKES_SHOWN]],
        mistakes_in_all=len(run.mistakes or []),
        no_mistakes=_no_mistakes(run),
        splits=split_table(scores),
        counts=count_table(scores),
        quarantined=quarantined[:QUARANTINED_SHOWN],
        quarantined_in_all=len(quarantined),
        notes=[str(note) for note in scores.get("notes") or []],
        environment=[Fact(str(k), str(v)) for k, v in (run.environment or {}).items()],
        no_environment=run.reason("environment.json"),
        recipe=run.recipe,
        no_recipe=run.reason("recipe.yaml"),
    )


def all_pictures(content: Content) -> list[Picture]:
    """The drawn figures, each once."""
    pictures = [each for group in content.pictures.values() for each in group]
    blocks = [each for part in content.parts.values() for each in part]
    return [each for each in (*pictures, *blocks) if isinstance(each, Picture)]


def _pictures(run: Run) -> dict[str, list[Picture | Absent]]:
    return {
        "summary": [figures_robustness.ladder(run)],
        "reliability": figures_classes.reliability(run),
        "confusion": [figures_classes.confusion(run)],
        "classes": [figures_classes.per_class(run)],
        "learning": [figures_classes.learning(run)],
        "augmentation": [figures_augmentation.contact_sheet(run)],
    }


def _subtitle(run: Run) -> str:
    model = run.scores.get("model") or {}
    parts = [model.get("arch"), model.get("pretrained")]
    start = " / ".join(str(part) for part in parts if part)
    count = len(run.scores.get("classes", []))
    method = run.scores.get("method") or "a method that is not stored"
    return f"{start or 'CLIP'}, {method}, {count} classes"


def _facts(run: Run) -> list[Fact]:
    scores, model = run.scores, shipped(run.scores)
    base = test(scores)
    facts = []
    if base is not None:
        change = _change(difference(scores, model, base)[0], model)
        facts.append(Fact(f"accuracy on {base}", percent(metric(scores, model, base)), change))
    if shifts(scores):
        change = _change(shift_difference(scores, model)[0], model)
        label = f"mean of shifts ({len(shifts(scores))})"
        facts.append(Fact(label, percent(shift_mean(scores, model)), change))
    else:
        facts.append(Fact("mean of shifts", "n/a", "no shift was scored"))
    if base is not None:
        error = metric(scores, model, base, "ece")
        facts.append(Fact(f"calibration error on {base}", decimal(error), "lower is better"))
    return facts


def _change(value: float | None, model: str) -> str:
    return "" if model == "zero_shot" or value is None else f"{points(value)} to zero-shot"


def _taken(run: Run) -> str:
    """What `auto` took."""
    best = (run.ranking or {}).get("best")
    return f"took {best}" if best else ""


def _settings(run: Run) -> list[Fact]:
    scores = run.scores
    alpha, trained = number(scores.get("alpha")), scores.get("trainable") or {}
    selected_on = scores.get("selected_on")
    chosen = f"chosen on {selected_on}" if alpha is not None and selected_on else ""
    if chosen and scores.get("alpha_rule"):
        chosen += f", rule {scores['alpha_rule']}"
    seconds = scores.get("seconds") or {}
    share, parameters = number(trained.get("share")), number(trained.get("parameters"))
    temperature, fit = number(scores.get("temperature")), number(seconds.get("fit"))
    total = number(seconds.get("total"))
    return [
        Fact("shipped model", model_name(shipped(scores))),
        Fact("method", str(scores.get("method") or "n/a"), _taken(run)),
        Fact("alpha", "n/a" if alpha is None else f"{alpha:g}", chosen),
        Fact("temperature", "n/a" if temperature is None else f"{temperature:.3g}"),
        Fact("seed", str(scores.get("seed", "n/a"))),
        Fact(
            "trained parameters",
            "n/a" if parameters is None else f"{parameters:,.0f}",
            "" if share is None else f"{100 * share:.3g} % of the model",
        ),
        Fact(
            "training time",
            _duration(fit),
            "" if total is None else f"{_duration(total)} in all",
        ),
    ]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "n/a"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _no_pairs(run: Run) -> str:
    if figures_classes.confusion_counts(run):
        return f"every image of {test(run.scores)} is classified correctly"
    return run.reason("confusion.csv")


def _no_mistakes(run: Run) -> str:
    return "the run found no mistake" if run.mistakes == [] else run.reason("mistakes.json")


def _mistake(run: Run, stored: Mapping[str, Any]) -> Mistake:
    thumbnail = str(stored.get("thumbnail") or "")
    image, missing = _inline_image(run.folder, thumbnail)
    return Mistake(
        path=str(stored.get("path")),
        eval=str(stored.get("eval")),
        true=str(stored.get("true")),
        predicted=str(stored.get("predicted")),
        confidence=percent(number(stored.get("confidence"))),
        probability_of_true=percent(number(stored.get("probability_of_true"))),
        thumbnail=thumbnail if image else "",
        image=image,
        missing=missing,
    )


def _inline_image(folder: Path, name: str) -> tuple[str | None, str]:
    """A thumbnail as a data URI; only from inside the run folder, whatever the file says."""
    if not name:
        return None, "n/a: no thumbnail stored"
    path = (folder / name).resolve()
    media = _MEDIA.get(path.suffix.lower())
    if media is None or not path.is_relative_to(folder.resolve()):
        return None, "n/a: not an image of this run"
    try:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return None, "n/a: the thumbnail is absent"
    return f"data:{media};base64,{data}", ""
