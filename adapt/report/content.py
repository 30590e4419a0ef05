"""What the report says, before it is HTML or Markdown."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.report.figures.style import ReportFigure
from adapt.report.front.absent import not_measured
from adapt.report.front.page import Fact, FrontPage, front_page
from adapt.report.record.pairs import is_pairs
from adapt.report.record.read import Absent, RunRecord
from adapt.report.record.scores import ZERO_SHOT, ScoreTable, model_name
from adapt.report.record.ship import method_ships, probe_ships, ship_words, ships_zero_shot
from adapt.report.record.values import mapping, number
from adapt.report.record.words import decimal, percent
from adapt.report.sections import (
    LABEL_SECTIONS,
    SECTIONS,
    BuiltSection,
    Section,
    build_sections,
)
from adapt.report.verdict import WARNING, verdict

MISTAKES_SHOWN = 24
WITH_OWN_WORDS = ("summary", "words", "mistakes", "data", "setup")
"""Sections that show something besides their blocks."""
NOT_KNOWN = "n/a"
NOT_SHIPPED = "trained, not shipped"
QUARANTINED_SHOWN = 200
_MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


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
    front: FrontPage
    shipped: str
    warnings: list[str]
    findings: list[str]
    not_measured: str
    settings: list[Fact]
    sections: list[BuiltSection]
    mistakes: list[Mistake]
    mistakes_in_all: int
    quarantined: list[Mapping[str, Any]]
    quarantined_in_all: int
    notes: list[str]
    environment: list[Fact]
    recipe: str | None

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
    scores, sentences, built = run.scores, verdict(run.scores), build_sections(run, sections)
    shipped = sentences.pop(0) if ship_words(scores) else ""
    quarantined = list(scores.get("quarantined") or [])
    return Content(
        name=str(scores.get("title") or scores.get("name") or run.folder.name),
        subtitle=_subtitle(run),
        front=front_page(run),
        shipped=shipped,
        warnings=[s.removeprefix(WARNING) for s in sentences if s.startswith(WARNING)],
        findings=[s for s in sentences if not s.startswith(WARNING)],
        not_measured=not_measured(_absent(run, built)),
        settings=[fact for fact in _settings(run) if fact.value != NOT_KNOWN],
        sections=[part for part in built if part.id in WITH_OWN_WORDS or _shows(part)],
        mistakes=[_mistake(run, stored) for stored in (run.mistakes or [])[:MISTAKES_SHOWN]],
        mistakes_in_all=len(run.mistakes or []),
        quarantined=quarantined[:QUARANTINED_SHOWN],
        quarantined_in_all=len(quarantined),
        notes=[str(note) for note in scores.get("notes") or []],
        environment=[Fact(str(k), str(v)) for k, v in (run.environment or {}).items()],
        recipe=run.recipe,
    )


def _shows(part: BuiltSection) -> bool:
    return any(not isinstance(block, Absent) for block in part.blocks)


def _absent(run: RunRecord, built: Sequence[BuiltSection]) -> list[Absent]:
    """Everything that is absent, from the sections and from what they show besides blocks."""
    parts = [block for part in built for block in part.blocks if isinstance(block, Absent)]
    own = {"Worst mistakes": "mistakes.json", "Environment": "environment.json"}
    shown = {part.title for part in built}
    parts += [
        Absent(title, run.reason(file))
        for title, file in (own | {"Recipe": "recipe.yaml"}).items()
        if run.lacks(file) and (title in shown or file != "mistakes.json")
    ]
    return parts


def _subtitle(run: RunRecord) -> str:
    model = run.scores.get("model") or {}
    parts = [model.get("arch"), model.get("pretrained")]
    start = " / ".join(str(part) for part in parts if part)
    count = len(run.scores.get("classes", []))
    what = "images with captions" if is_pairs(run.scores) else f"{count} classes"
    method = run.scores.get("method") or "unknown method"
    method += "" if method_ships(run.scores) else " (not shipped)"
    name, recipe = run.scores.get("name"), run.scores.get("recipe")
    title = run.scores.get("title") or name
    by = f", recipe {recipe}" if recipe and recipe != title else ""
    by += f", run {name}" if name != title else ""
    return f"{start or 'CLIP'}, {method}, {what}{by}"


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
        *_calibration(run),
    ]


def _calibration(run: RunRecord) -> list[Fact]:
    """The calibration error on the test set, where it was measured."""
    scores, base = run.scores, run.scores.test
    error = None if base is None else scores.metric(scores.shipped, base, "ece")
    if base is None or error is None:
        return []
    stored = mapping(mapping(mapping(run.uncertainty).get("ece")).get(base))
    most = number(stored.get("most_by_chance"))
    note = "lower is better" if most is None else f"up to {most:.3f} by chance alone"
    return [Fact(f"calibration error on {base}", decimal(error), note)]


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
