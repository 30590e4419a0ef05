"""The page of `adapt audit`: groups with their intervals, recalls by class and group, sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapt.report.explore.audit_tables import (
    accuracy_table,
    change_table,
    extra_table,
    gap_words,
    recall_table,
)
from adapt.report.record.values import interval
from adapt.report.record.words import enumerated, percent, short_percent, signed_span, span
from adapt.report.tables.cells import Table
from adapt.report.templating import environment

Content = Mapping[str, Any]
CORRECTIONS = {"bh": "Benjamini-Hochberg", "holm": "Holm"}
NAMED = 5
"""Gaps that a sentence names; all are in the tables."""


@dataclass(frozen=True)
class HeatCell:
    """The recall of a class in a group: where there is no image of it, all is empty."""

    text: str = ""
    note: str = ""
    share: float = 0.0
    mark: str = ""
    small: bool = False


@dataclass(frozen=True)
class AuditedColumn:
    """One column on the page."""

    name: str
    sentences: list[str]
    groups: list[Content]
    heat: list[tuple[str, list[HeatCell]]]
    """Of each class a cell for each group."""
    accuracies: Table
    changes: Table | None
    recalls: Table
    extra: Table | None


def headline(content: Content) -> str:
    """The most important sentence.

    Args:
        content: `audit.json`.
    """
    worst = [
        (group["model"]["accuracy"]["value"], column, group)
        for column, told in content["columns"].items()
        for group in told["groups"]
        if group["name"] == told["worst"]
    ]
    overall = percent(content["overall"]["model"]["accuracy"]["value"])
    if not worst:
        return f"{overall} of the answers are right; no group is large enough to be judged"
    _, column, group = min(worst, key=lambda own: own[0])
    own = group["model"]["accuracy"]
    return (
        f"{overall} of the answers are right, and {percent(own['value'])} "
        f"({span(interval(own['ci']))}) in the worst group: {group['name']} ({column})"
    )


def sentences(column: str, content: Content) -> list[str]:
    """What is known of the groups of a column, in plain sentences.

    Args:
        column: Its name.
        content: `audit.json`.
    """
    told = content["columns"][column]
    said = [*_ends(told), _groups_sentence(told, content), _recalls_sentence(told, content)]
    if told["groups"] and told["groups"][0]["change"] is not None:
        said.append(_change_sentence(told))
    if told["extra"]:
        said.append(_extra_sentence(told, content))
    if told["small"]:
        sizes = {group["name"]: group["n"] for group in told["groups"]}
        names = ", ".join(f"{name} ({sizes[name]})" for name in told["small"])
        said.append(f"Too few images to say (fewer than {content['min_images']}): {names}.")
    return said


def _ends(told: Content) -> list[str]:
    by_name = {group["name"]: group for group in told["groups"]}
    if told["worst"] is None:
        return ["No group is large enough to be judged."]
    worst = by_name[told["worst"]]
    text = f"The worst group is {told['worst']}: {_accuracy(worst)}"
    if told["spread"] is None:
        return [f"{text}. No other group is large enough to be compared with it."]
    best, spread = by_name[told["best"]], told["spread"]
    which = "" if spread["pairs"] == 1 else ", for whichever two of the groups these are"
    return [
        f"{text}. The best is {told['best']}: {_accuracy(best)}. They are "
        f"{100 * spread['difference']:.1f} points apart ({signed_span(interval(spread['ci']))}"
        f"{which})."
    ]


def _accuracy(group: Content) -> str:
    own = group["model"]["accuracy"]
    return f"{percent(own['value'])} ({span(interval(own['ci']))}) of {group['n']:,} images"


def _groups_sentence(told: Content, content: Content) -> str:
    tested = [group for group in told["groups"] if group["gap"]]
    if not tested:
        return "No group was tested against the others."
    clear = sorted(
        (group for group in tested if group["gap"]["clear"]),
        key=lambda group: group["gap"]["difference"],
    )
    below = [group for group in clear if group["gap"]["difference"] < 0]
    above = [group for group in clear if group["gap"]["difference"] > 0]
    parts = [
        f"clearly {word} the other images: {_named(own)}"
        for word, own in (("below", below), ("above", above[::-1]))
        if own
    ]
    if parts:
        first, *rest = parts
        return f"{first[0].upper()}{first[1:]}{''.join(f'; {part}' for part in rest)}."
    return f"No group differs clearly from the other images ({_how(content, 'accuracy')})."


def _named(groups: Sequence[Content]) -> str:
    return enumerated([f"{own['name']} ({gap_words(own['gap'])})" for own in groups], NAMED)


def _recalls_sentence(told: Content, content: Content) -> str:
    tested = [row for row in told["recalls"] if row["gap"]]
    if not tested:
        return "No class has enough images in two groups to be compared between them."
    below = sorted(
        (row for row in tested if row["gap"]["clear"] and row["gap"]["difference"] < 0),
        key=lambda row: row["gap"]["difference"],
    )
    if not below:
        return f"No class is recognised clearly less often in a group ({_how(content, 'recall')})."
    names = [f"{row['class']} in {row['group']} ({gap_words(row['gap'])})" for row in below]
    return f"Recognised clearly less often than elsewhere: {enumerated(names, NAMED)}."


def _change_sentence(told: Content) -> str:
    judged = [group for group in told["groups"] if not group["small"]]
    clear = {
        word: [
            f"{group['name']} ({100 * group['change']['difference']:+.1f} points)"
            for group in judged
            if group["change"]["clear"] and sign * group["change"]["difference"] > 0
        ]
        for word, sign in (("better", 1), ("worse", -1))
    }
    parts = [
        f"clearly {word} than zero-shot in {enumerated(names, NAMED)}"
        for word, names in clear.items()
        if names
    ]
    if not parts:
        return "In no group is the model clearly better or worse than zero-shot."
    return f"It is {' and '.join(parts)}."


def _extra_sentence(told: Content, content: Content) -> str:
    """Who is clearly more often answered with a further class."""
    above = sorted(
        (
            row
            for row in told["extra"]
            if row["gap"] and row["gap"]["clear"] and row["gap"]["difference"] > 0
        ),
        key=lambda row: -row["gap"]["difference"],
    )
    names = [
        f"{row['class']} in {row['group']} ({percent(row['model']['value'])}, "
        f"{gap_words(row['gap'])})"
        for row in above
    ]
    if names:
        return f"Answered clearly more often with a further class: {enumerated(names, NAMED)}."
    tests = content["extra"]["tests"]
    return f"No group is answered clearly more often with a further class ({tests:,} tests)."


def _how(content: Content, kind: str) -> str:
    tests = content["tests"][kind]
    counted = f"{tests:,} test{'' if tests == 1 else 's'}"
    adjusted = CORRECTIONS[content["correction"]]
    return f"{counted}, {adjusted} at {short_percent(content['level'])}"


def about_tests(content: Content) -> str:
    """How the tests were made and adjusted.

    Args:
        content: `audit.json`.
    """
    counts = content["tests"]
    adjusted = CORRECTIONS[content["correction"]]
    meaning = (
        "so the chance that a single one of them is false is at most this"
        if content["correction"] == "holm"
        else "so this share of what is called clear is expected to be false, whatever is tested"
    )
    return (
        "A group is compared with all other images of its column (Fisher's exact test), and the "
        "model with zero-shot on the images of a group (McNemar's). There were "
        f"{counts['accuracy']:,} tests of accuracy, {counts['recall']:,} of recall and "
        f"{counts['change']:,} against zero-shot; p-values of each kind were adjusted together "
        f"over all columns ({adjusted}). A gap is clear where the adjusted value is at most "
        f"{short_percent(content['level'])}, {meaning}. Intervals are of single gaps (Newcombe), "
        "and not adjusted."
    )


def render_page(content: Content) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: `audit.json`.
    """
    columns = [_column(name, content) for name in content["columns"]]
    template = environment().get_template("audit.html.j2")
    return template.render(
        content=content,
        headline=headline(content),
        columns=columns,
        about_tests=about_tests(content),
        facts=_facts(content),
        percent=percent,
    )


def _facts(content: Content) -> list[tuple[str, str, str]]:
    own = content["overall"]
    facts = []
    for side, word in (("model", "accuracy"), ("start", "zero-shot")):
        if own[side] is not None:
            rate = own[side]["accuracy"]
            facts.append((word, percent(rate["value"]), span(interval(rate["ci"]))))
    if (lowest := lowest_recall(content)) is not None:
        column, row = lowest
        where = f"{row['class']} in {row['group']} ({column})"
        facts.append(("lowest recall", percent(row["model"]["value"]), where))
    clear = sum(
        bool(row["gap"] and row["gap"]["clear"] and row["gap"]["difference"] < 0)
        for told in content["columns"].values()
        for row in [*told["groups"], *told["recalls"]]
    )
    facts.append(("clearly below others", f"{clear:,}", "groups, and classes in groups"))
    return facts


def lowest_recall(content: Content) -> tuple[str, Content] | None:
    """The class in a group that is recognised least, and its column; None without enough images.

    Args:
        content: `audit.json`.
    """
    rows = [
        (column, row)
        for column, told in content["columns"].items()
        for row in told["recalls"]
        if not row["small"]
    ]
    return min(rows, key=lambda own: own[1]["model"]["value"], default=None)


def _column(name: str, content: Content) -> AuditedColumn:
    told = content["columns"][name]
    return AuditedColumn(
        name,
        sentences(name, content),
        told["groups"],
        _heat(told),
        accuracy_table(name, told),
        change_table(name, told),
        recall_table(name, told),
        extra_table(name, told),
    )


def _heat(told: Content) -> list[tuple[str, list[HeatCell]]]:
    cells = {(row["class"], row["group"]): _heat_cell(row) for row in told["recalls"]}
    names = [group["name"] for group in told["groups"]]
    classes = list(dict.fromkeys(row["class"] for row in told["recalls"]))
    return [(label, [cells.get((label, name), HeatCell()) for name in names]) for label in classes]


def _heat_cell(row: Content) -> HeatCell:
    gap, mark = row["gap"], ""
    if gap is not None and gap["clear"]:
        mark = "▼" if gap["difference"] < 0 else "▲"
    value = row["model"]["value"]
    return HeatCell(f"{100 * value:.0f}", f"{row['n']:,}", value, mark, row["small"])
