"""The sections on alpha, robustness and uncertainty: figures, tables, and why one is absent."""

from collections.abc import Callable

from adapt.report.figures.accuracy import heat_map
from adapt.report.figures.alpha import alpha_curve, rules_table
from adapt.report.figures.changes import flips, forgetting
from adapt.report.figures.effective_robustness import effective, scatter
from adapt.report.figures.few_shot import (
    below_words,
    outlook_words,
    ranking_table,
    shots_curve,
    shots_table,
)
from adapt.report.figures.style import Absent, Picture
from adapt.report.figures.uncertainty import risk_coverage
from adapt.report.record.read import Run
from adapt.report.tables.cells import Table, Text
from adapt.report.tables.guard import NO_GUARD, guard_table, worse_classes_table
from adapt.report.tables.robustness import (
    corruption_table,
    effective_table,
    flip_table,
    group_tables,
    retention_table,
)
from adapt.report.tables.uncertainty import (
    abstention_table,
    conformal_table,
    ece_table,
    temperature_words,
    uncovered_words,
    unknown_table,
)

Block = Picture | Table | Text | Absent
NO_EVAL = "no test set was evaluated"


def alpha_part(run: Run) -> list[Block]:
    """The alpha curve, what each rule would choose, and what the guard compared."""
    rules, guard = rules_table(run), guard_table(run.scores)
    worse = worse_classes_table(run.scores)
    no_rules = "curve.json holds no rules: the run is older than them"
    return [
        alpha_curve(run),
        *([] if run.curve is None else [rules or Absent("rules", "Rules", no_rules)]),
        guard or Absent("guard", "Guard", NO_GUARD),
        *([worse] if worse else []),
    ]


def robustness_part(run: Run) -> list[Block]:
    """Everything about shifts, corruptions, changed predictions, other classes and groups."""
    before: list[Block] = [scatter(run), heat_map(run)]
    if run.robustness is None:
        reason = run.reason("robustness.json")
        return [*before, Absent("measures", "Measures of robustness", reason)]
    groups: list[Block] = [*group_tables(run)]
    no_groups = "no eval has a metadata column with a few values to group by"
    return [
        *before,
        *_pair(effective(run), effective_table(run)),
        corruption_table(run)
        or Absent("corruption", "Corruption error", "no synthetic shift was evaluated"),
        *_pair(flips(run), flip_table(run)),
        *_pair(forgetting(run), retention_table(run)),
        *(groups or [Absent("groups", "Groups", no_groups)]),
    ]


def uncertainty_part(run: Run) -> list[Block]:
    """Calibration, abstention, conformal sets and unknown images."""
    if run.uncertainty is None:
        return [Absent("uncertainty", "Uncertainty", run.reason("uncertainty.json"))]
    tables: dict[str, tuple[Callable[[Run], Table | None], str]] = {
        "Abstaining": (abstention_table, NO_EVAL),
        "Conformal sets": (conformal_table, NO_EVAL),
        "Unknown images": (unknown_table, "the recipe names none under `uncertainty.unknown`"),
    }
    uncovered = uncovered_words(run)
    blocks: list[Block] = [
        Text(temperature_words(run)),
        ece_table(run) or Absent("ece", "Calibration error", NO_EVAL),
        risk_coverage(run),
    ]
    for title, (table, reason) in tables.items():
        blocks.append(table(run) or Absent(title, title, reason))
        if title == "Conformal sets" and uncovered:
            blocks.append(Text(uncovered))
    return blocks


def few_shot_part(run: Run) -> list[Block]:
    """Accuracy against images a class, and the ranking of methods; empty without either."""
    found = [shots_curve(run), shots_table(run), below_words(run)] if run.few_shot else []
    found += [ranking_table(run), outlook_words(run)] if run.ranking else []
    return [block for block in found if block is not None]


def _pair(picture: Picture | Absent, table: Table | None) -> list[Block]:
    """A figure and its table; one reason is enough when both are absent."""
    return [picture, *([table] if table else [])]
