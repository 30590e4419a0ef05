"""The sections of the report: which figures, tables and sentences each one shows, in order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from adapt.report.figures.accuracy import NO_CORRUPTION, heat_map, ladder
from adapt.report.figures.alpha import alpha_curve, probe_curve
from adapt.report.figures.changes import flips, forgetting
from adapt.report.figures.classes import confusion, per_class
from adapt.report.figures.effective_robustness import effective, scatter
from adapt.report.figures.few_shot import shots_curve
from adapt.report.figures.style import ReportFigure
from adapt.report.figures.training import contact_sheet, learning
from adapt.report.figures.uncertainty import reliability, reliability_on_a_shift, risk_coverage
from adapt.report.record.classes import confusion_counts
from adapt.report.record.curve import probe_line
from adapt.report.record.pairs import is_pairs
from adapt.report.record.read import Absent, RunRecord
from adapt.report.record.words import enumerated
from adapt.report.tables.captions import captions_tables
from adapt.report.tables.cells import Table, Text
from adapt.report.tables.few_shot import below_words, outlook_words, ranking_table, shots_table
from adapt.report.tables.guard import NO_GUARD, guard_table, worse_classes_table
from adapt.report.tables.pairs import (
    class_sets_table,
    curve_table,
    few_words,
    pairs_count_table,
    retrieval_tables,
)
from adapt.report.tables.prompts import prompts_table, search_words, sentences_words
from adapt.report.tables.references import references_table
from adapt.report.tables.robustness import (
    corruption_table,
    effective_table,
    flip_table,
    group_tables,
    retention_table,
)
from adapt.report.tables.rules import rules_table
from adapt.report.tables.scores import (
    accuracy_table,
    balanced_table,
    calibration_table,
    class_table,
    count_table,
    ladder_table,
    opened_words,
    pairs_table,
    split_table,
)
from adapt.report.tables.several_labels.label_scores import (
    decision_words,
    f1_table,
    label_class_table,
    label_table,
    likelihood_table,
)
from adapt.report.tables.towers import towers_table
from adapt.report.tables.uncertainty import (
    abstention_table,
    conformal_table,
    ece_table,
    set_scores_table,
    temperature_words,
    uncovered_words,
    unknown_table,
    why_no_sets,
)

Block = ReportFigure | Table | Text | Absent
Maker = Callable[[RunRecord], Block | Sequence[Block] | None]
NO_EVAL = "no test set was evaluated"


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        id: Its anchor in the page.
        title: Its heading.
        makers: Make its blocks from a run, in this order; None leaves one out without a word.
        optional: Whether the section is left out where all its blocks are absent.
        prints: Those whose blocks are on paper as well: a print has six pages at most.
    """

    id: str
    title: str
    makers: tuple[Maker, ...] = ()
    optional: bool = False
    prints: tuple[Maker, ...] = ()


@dataclass(frozen=True)
class BuiltSection:
    """A section with the blocks that a run gives it, and those of them that are printed."""

    id: str
    title: str
    blocks: list[Block]
    printed: list[Block] = field(default_factory=list)


def build_sections(run: RunRecord, sections: Iterable[Section]) -> list[BuiltSection]:
    """Make the blocks of every section; call it inside `house_style`."""
    built = [BuiltSection(part.id, part.title, *_blocks(run, part)) for part in sections]
    optional = {part.id for part in sections if part.optional}
    return [
        part
        for part in built
        if part.id not in optional or not all(isinstance(block, Absent) for block in part.blocks)
    ]


def _blocks(run: RunRecord, section: Section) -> tuple[list[Block], list[Block]]:
    """The blocks of a section, and those that are printed.

    What is absent for one reason is named once, where it is first.
    """
    blocks, printed = list[Block](), list[Block]()
    for maker in section.makers:
        made = maker(run)
        own = made if isinstance(made, Sequence) else [made]
        known = [block for block in own if block is not None]
        blocks += known
        printed += known if maker in section.prints else []
    titles: dict[str, list[str]] = {}
    for block in blocks:
        if isinstance(block, Absent):
            titles.setdefault(block.reason, []).append(block.title)
    merged: list[Block] = [
        Absent(enumerated(titles.pop(block.reason), 12), block.reason)
        if isinstance(block, Absent)
        else block
        for block in blocks
        if not isinstance(block, Absent) or block.reason in titles
    ]
    return merged, printed


def _or(make: Maker, title: str, why: str | Callable[[RunRecord], str], needs: str = "") -> Maker:
    """Say why a table is absent.

    Args:
        make: Makes the table, or nothing.
        title: What is absent.
        why: The reason, as a sentence without its full stop, where `make` makes nothing.
        needs: A file of the run folder without which that is the reason.
    """

    def made(run: RunRecord) -> Block | Sequence[Block]:
        if needs and run.lacks(needs):
            return Absent(title, run.reason(needs))
        return make(run) or Absent(title, why if isinstance(why, str) else why(run))

    return made


def _no_pairs(run: RunRecord) -> str:
    if confusion_counts(run):
        return f"every image of {run.scores.test} is classified correctly"
    return run.reason("confusion.csv")


def confused_pairs_table(run: RunRecord) -> Block | Sequence[Block] | None:
    """The pairs that are confused most often, or that there are none."""
    return _or(pairs_table, "Confused pairs", _no_pairs, "confusion.csv")(run)


def _rules_of_probe(run: RunRecord) -> Table | None:
    line = probe_line(run)
    return None if line is None else rules_table(line)


_ROBUSTNESS, _UNCERTAINTY = "robustness.json", "uncertainty.json"
_NO_RULES = "curve.json holds no rules: the run is older than the rules"
_NO_GROUPS = (
    "no eval has a metadata column with only a few values: name one of a table under "
    "`robustness.groups`"
)
_NO_UNKNOWN = (
    "images of other things tell whether the model notices: name a folder of them under "
    "`uncertainty.unknown`"
)
_NO_COUNTS = "the run stored no counts per class"
# fmt: off
SECTIONS = (
    Section("summary", "Summary", (ladder,), prints=(ladder,)),
    Section("words", "Every finding in words"),
    Section("prompts", "Prompts", (
        sentences_words, search_words, prompts_table,
    ), optional=True),
    Section("alpha", "Choosing alpha", (
        probe_curve, _rules_of_probe,
        alpha_curve,
        _or(rules_table, "Rules", _NO_RULES, "curve.json"),
        references_table,
        _or(guard_table, "Guard", NO_GUARD),
        worse_classes_table,
    ), prints=(probe_curve, alpha_curve)),
    Section("robustness", "Robustness", (
        scatter, heat_map, effective, effective_table,
        _or(corruption_table, "Corruption error", NO_CORRUPTION, _ROBUSTNESS),
        flips, flip_table, forgetting, retention_table,
        _or(group_tables, "Groups", _NO_GROUPS, _ROBUSTNESS),
    ), prints=(scatter,)),
    Section("tables", "All scores", (
        opened_words, ladder_table, accuracy_table, towers_table, calibration_table, balanced_table,
        captions_tables,
    ), prints=(opened_words, accuracy_table)),
    Section("reliability", "Reliability", (reliability, reliability_on_a_shift)),
    Section("uncertainty", "Uncertainty", (
        temperature_words,
        _or(ece_table, "Calibration error", NO_EVAL, _UNCERTAINTY),
        risk_coverage,
        _or(abstention_table, "Abstaining", NO_EVAL, _UNCERTAINTY),
        _or(conformal_table, "Conformal sets", why_no_sets, _UNCERTAINTY),
        uncovered_words, set_scores_table,
        _or(unknown_table, "Unknown images", _NO_UNKNOWN, _UNCERTAINTY),
    )),
    Section("few-shot", "Few-shot accuracy", (
        shots_curve, shots_table, below_words, ranking_table, outlook_words,
    ), optional=True, prints=(shots_curve,)),
    Section("confusion", "Confusions", (
        confusion, confused_pairs_table,
    ), prints=(confused_pairs_table,)),
    Section("classes", "Classes", (per_class, class_table), prints=(per_class,)),
    Section("mistakes", "Worst mistakes"),
    Section("learning", "Learning curves", (learning,)),
    Section("data", "Data card", (
        split_table, _or(count_table, "Images per class", _NO_COUNTS), contact_sheet,
    ), prints=(split_table,)),
    Section("setup", "Environment and recipe"),
)
"""The report, from top to bottom; a new figure is a file in `figures/` and a name in this list."""
PAIR_SECTIONS = (
    Section("summary", "Summary"),
    Section("words", "Every finding in words"),
    Section("alpha", "Choosing alpha", (
        _or(curve_table, "Curve", "the recipe mixes nothing: `ensemble.kind=none`"),
    )),
    Section("retrieval", "Retrieval", (opened_words, retrieval_tables), prints=(retrieval_tables,)),
    Section("classes", "Classes by name", (class_sets_table,), optional=True),
    Section("learning", "Learning curves", (learning,)),
    Section("data", "Data card", (
        few_words, pairs_count_table, contact_sheet,
    ), prints=(pairs_count_table,)),
    Section("setup", "Environment and recipe"),
)
"""The report of a run on images with captions."""


LABEL_SECTIONS = (
    Section("summary", "Summary", (ladder,), prints=(ladder,)),
    Section("words", "Every finding in words"),
    Section("alpha", "Choosing alpha", (
        probe_curve, _rules_of_probe, alpha_curve,
        _or(rules_table, "Rules", _NO_RULES, "curve.json"),
        _or(guard_table, "Guard", NO_GUARD),
        worse_classes_table,
    ), prints=(probe_curve, alpha_curve)),
    Section("tables", "All scores", (
        opened_words, ladder_table, label_table, f1_table, likelihood_table,
    ), prints=(label_table,)),
    Section("classes", "Classes", (decision_words, label_class_table), prints=(decision_words,)),
    Section("learning", "Learning curves", (learning,)),
    Section("data", "Data card", (
        split_table, _or(count_table, "Images per class", _NO_COUNTS), contact_sheet,
    ), prints=(split_table,)),
    Section("setup", "Environment and recipe"),
)
# fmt: on
"""The report of a run whose images have several labels."""


def sections_of(run: RunRecord) -> tuple[Section, ...]:
    """The sections that suit a run."""
    if run.scores.several_labels:
        return LABEL_SECTIONS
    return PAIR_SECTIONS if is_pairs(run.scores) else SECTIONS
