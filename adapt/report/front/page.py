"""Everything that the first page of a report shows."""

from dataclasses import dataclass

from adapt.report.front.classes import (
    changed_words,
    gained_and_lost,
    worst_class,
    worst_words,
)
from adapt.report.front.headline import headline
from adapt.report.front.ladder import steps_table
from adapt.report.front.next_steps import next_steps
from adapt.report.record.pairs import RECALL, chance_words, is_pairs, pair_sets
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ZERO_SHOT, ScoreTable, mean_of_shifts
from adapt.report.record.ship import ships_zero_shot
from adapt.report.record.words import percent, points
from adapt.report.tables.cells import Table


@dataclass(frozen=True)
class Fact:
    """A number on the first page: what it is, its value, and a remark."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class FrontPage:
    """The first page: it says by itself whether the model is good and what to do."""

    headline: str
    facts: list[Fact]
    ladder: Table
    steps: list[str]


def front_page(run: RunRecord) -> FrontPage:
    """Compute the first page from a run folder."""
    return FrontPage(headline(run.scores), _facts(run), steps_table(run), next_steps(run))


def _facts(run: RunRecord) -> list[Fact]:
    """The numbers that a verdict rests on; what was not measured is not among them."""
    scores = run.scores
    if is_pairs(scores):
        return _pair_facts(scores)
    return [*_score_facts(scores), *_class_facts(run)]


def _pair_facts(scores: ScoreTable) -> list[Fact]:
    facts = []
    for name in pair_sets(scores)[:2]:
        before = percent(scores.metric(ZERO_SHOT, name, RECALL))
        value = percent(scores.metric(scores.shipped, name, RECALL))
        note = f"start {before}, {chance_words(scores, scores.shipped, name)}"
        facts.append(Fact(f"recall at 10 on {name}", value, note))
    return facts


def _score_facts(scores: ScoreTable) -> list[Fact]:
    model, base, facts = scores.shipped, scores.test, []
    if base is not None:
        change = _change(scores.difference(model, base)[0], model)
        note = scores.reason(model, base) or change
        facts.append(Fact(f"{scores.measure} on {base}", percent(scores.metric(model, base)), note))
    if scores.shifts:
        change = _change(scores.shift_difference(model)[0], model)
        label = mean_of_shifts(scores)
        label = f"{scores.measure} on {label}" if len(scores.shifts) == 1 else label
        facts.append(Fact(label, percent(scores.shift_mean(model)), change))
    if base is not None and scores.several_labels:
        shown, macro = (scores.metric(model, base, f"f1_{how}") for how in ("micro", "macro"))
        facts.append(Fact(f"F1 micro on {base}", percent(shown), f"macro {percent(macro)}"))
    return facts


def _class_facts(run: RunRecord) -> list[Fact]:
    facts, worst = [], worst_class(run)
    if worst is not None:
        label = "worst class, average precision" if run.scores.several_labels else "worst class"
        facts.append(Fact(label, percent(worst[3]), worst_words(run)))
    known = None if run.scores.test is None else gained_and_lost(run, run.scores.test)
    if known is not None and not ships_zero_shot(run.scores):
        gained, lost, images = known
        notes = filter(None, [f"of {images:,} images of {run.scores.test}", changed_words(run)])
        facts.append(Fact("gained and lost", f"+{gained:,} \u2212{lost:,}", "; ".join(notes)))
    return facts


def _change(value: float | None, model: str) -> str:
    return "" if model == ZERO_SHOT or value is None else f"{points(value)} from zero-shot"
