"""What the report says, before it is HTML or Markdown."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.report.figures.style import ReportFigure
from adapt.report.record.pairs import RECALL, chance_words, is_pairs, pair_sets
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ZERO_SHOT, ScoreTable, mean_of_shifts, model_name
from adapt.report.record.ship import method_ships, probe_ships, ship_words, ships_zero_shot
from adapt.report.record.values import mapping, number
from adapt.report.record.words import decimal, percent, points
from adapt.report.sections import (
    LABEL_SECTIONS,
    SECTIONS,
    BuiltSection,
    Section,
    build_sections,
)
from adapt.report.verdict import WARNING, verdict

MISTAKES_SHOWN = 24
NOT_SHIPPED = "trained, not shipped"
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
    """A wrong prediction; `image` is a data URI, or None with the reason in `missing`."""

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
    """Everything that a report shows."""

    name: str
    subtitle: str
    shipped: str
    warnings: list[str]
    findings: list[str]
    facts: list[Fact]
    settings: list[Fact]
    sections: list[BuiltSection]
    mistakes: list[Mistake]
    mistakes_in_all: int
    no_mistakes: str
    quarantined: list[Mapping[str, Any]]
    quarantined_in_all: int
    notes: list[str]
    environment: list[Fact]
    no_environment: str
    recipe: str | None
    no_recipe: str

    @property
    def figures(self) -> list[ReportFigure]:
        """The figures that were drawn."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [block for block in blocks if isinstance(block, ReportFigure)]


def build(run: RunRecord, sections: Sequence[Section] | None = None) -> Content:
    """Compute all words, tables and figures; call it inside `house_style`.

    Args:
        run: The run folder.
        sections: Those of the kind of labels where none are given.
    """
    if sections is None:
        sections = LABEL_SECTIONS if run.scores.several_labels else SECTIONS
    scores, sentences = run.scores, verdict(run.scores)
    shipped = sentences.pop(0) if ship_words(scores) else ""
    quarantined = list(scores.get("quarantined") or [])
    return Content(
        name=str(scores.get("name") or run.folder.name),
        subtitle=_subtitle(run),
        shipped=shipped,
        warnings=[s.removeprefix(WARNING) for s in sentences if s.startswith(WARNING)],
        findings=[s for s in sentences if not s.startswith(WARNING)],
        facts=_facts(run),
        settings=_settings(run),
        sections=build_sections(run, sections),
        mistakes=[_mistake(run, stored) for stored in (run.mistakes or [])[:MISTAKES_SHOWN]],
        mistakes_in_all=len(run.mistakes or []),
        no_mistakes="the run found no mistake"
        if run.mistakes == []
        else run.reason("mistakes.json"),
        quarantined=quarantined[:QUARANTINED_SHOWN],
        quarantined_in_all=len(quarantined),
        notes=[str(note) for note in scores.get("notes") or []],
        environment=[Fact(str(k), str(v)) for k, v in (run.environment or {}).items()],
        no_environment=run.reason("environment.json"),
        recipe=run.recipe,
        no_recipe=run.reason("recipe.yaml"),
    )


def _subtitle(run: RunRecord) -> str:
    model = run.scores.get("model") or {}
    parts = [model.get("arch"), model.get("pretrained")]
    start = " / ".join(str(part) for part in parts if part)
    count = len(run.scores.get("classes", []))
    what = "images with captions" if is_pairs(run.scores) else f"{count} classes"
    method = run.scores.get("method") or "unknown method"
    method += "" if method_ships(run.scores) else " (not shipped)"
    name, recipe = run.scores.get("name"), run.scores.get("recipe")
    by = f", recipe {recipe}" if recipe and recipe != name else ""
    return f"{start or 'CLIP'}, {method}, {what}{by}"


def _pair_facts(scores: ScoreTable) -> list[Fact]:
    model = scores.shipped
    facts = []
    for name in pair_sets(scores)[:2]:
        before = percent(scores.metric(ZERO_SHOT, name, RECALL))
        value = percent(scores.metric(model, name, RECALL))
        note = f"start {before}, {chance_words(scores, model, name)}"
        facts.append(Fact(f"recall at 10 on {name}", value, note))
    return facts


def _facts(run: RunRecord) -> list[Fact]:
    if is_pairs(run.scores):
        return _pair_facts(run.scores)
    scores, model, base = run.scores, run.scores.shipped, run.scores.test
    facts = []
    if base is not None:
        change = _change(scores.difference(model, base)[0], model)
        change = scores.reason(model, base) or change
        facts.append(
            Fact(f"{scores.measure} on {base}", percent(scores.metric(model, base)), change)
        )
    if scores.shifts:
        change = _change(scores.shift_difference(model)[0], model)
        label = mean_of_shifts(scores)
        label = f"{scores.measure} on {label}" if len(scores.shifts) == 1 else label
        facts.append(Fact(label, percent(scores.shift_mean(model)), change))
    else:
        facts.append(Fact("mean of shifts", "n/a", "no shift was scored"))
    if base is not None and scores.several_labels:
        shown = percent(scores.metric(model, base, "f1_micro"))
        macro = percent(scores.metric(model, base, "f1_macro"))
        facts.append(Fact(f"F1 micro on {base}", shown, f"macro {macro}"))
    elif base is not None:
        error = scores.metric(model, base, "ece")
        note = scores.reason(model, base, "ece") or _chance(run, base) or "lower is better"
        facts.append(Fact(f"calibration error on {base}", decimal(error), note))
    return facts


def _chance(run: RunRecord, name: str) -> str:
    most = number(mapping(mapping(run.uncertainty).get("ece")).get(name, {}).get("most_by_chance"))
    return "" if most is None else f"up to {most:.3f} by chance alone; lower is better"


def _change(value: float | None, model: str) -> str:
    return "" if model == "zero_shot" or value is None else f"{points(value)} from zero-shot"


def _method_note(run: RunRecord) -> str:
    """What `auto` chose, and whether what was trained ships."""
    best = (run.ranking or {}).get("best")
    notes = [f"chose {best}"] if best else []
    return ", ".join([*notes, *([] if method_ships(run.scores) else [NOT_SHIPPED])])


def _shipped_fact(scores: ScoreTable) -> Fact:
    name = model_name(scores.shipped)
    if scores.shipped != ZERO_SHOT and ships_zero_shot(scores):
        return Fact("shipped model", model_name(ZERO_SHOT), f"alpha 0 of the {name}")
    note = "a linear probe mixed with zero-shot, a head on the unchanged encoders"
    return Fact("shipped model", name, note if probe_ships(scores) else "")


def _settings(run: RunRecord) -> list[Fact]:
    scores = run.scores
    alpha, trained = number(scores.get("alpha")), scores.get("trainable") or {}
    selected_on = scores.get("selected_on")
    of = f"of the {model_name(scores.shipped)}"
    chosen = f"{of}, chosen on {selected_on}" if alpha is not None and selected_on else ""
    if chosen and scores.get("alpha_rule"):
        chosen += f", rule {scores['alpha_rule']}"
    seconds = run.timing or {}
    fraction, parameters = number(trained.get("share")), number(trained.get("parameters"))
    temperature, fit = number(scores.get("temperature")), number(seconds.get("fit"))
    total, resumed = number(seconds.get("total")), number(seconds.get("resumed"))
    in_all = "" if total is None else f"{_duration(total)} in all"
    if in_all and resumed:
        in_all += ", without what was lost when the run was stopped"
    share = "" if fraction is None else f"{100 * fraction:.3g} % of the model"
    return [
        _shipped_fact(scores),
        Fact("method", str(scores.get("method") or "n/a"), _method_note(run)),
        Fact("alpha", "n/a" if alpha is None else f"{alpha:g}", chosen),
        Fact("temperature", "n/a" if temperature is None else f"{temperature:.3g}"),
        Fact("seed", str(scores.get("seed", "n/a"))),
        Fact(
            "trained parameters",
            "n/a" if parameters is None else f"{parameters:,.0f}",
            share if method_ships(scores) or not share else f"{share}, not shipped",
        ),
        Fact("training time", _duration(fit), in_all),
    ]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "n/a"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _mistake(run: RunRecord, stored: Mapping[str, Any]) -> Mistake:
    thumbnail = str(stored.get("thumbnail") or "")
    image, missing = _inline_image(run.folder, thumbnail)
    return Mistake(
        path=str(stored.get("path")),
        eval=str(stored.get("eval")),
        true=str(stored.get("true")),
        predicted=str(stored.get("predicted")),
        confidence=percent(stored.get("confidence")),
        probability_of_true=percent(stored.get("probability_of_true")),
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
