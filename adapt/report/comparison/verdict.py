"""What a comparison says in sentences: which model is better, and whether limits passed."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapt.common.words import plural
from adapt.report.record.scores import over
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import enumerated, points, signed_span

Content = Mapping[str, Any]
LEVEL = 0.05
"""p-values below this are called clear."""
BETTER, WORSE, UNCLEAR = "better", "worse", "unclear"


def tone_of(row: Content, key: str = "p") -> str:
    """Whether B is clearly better or worse by a paired test.

    Args:
        row: With `difference` and p-values.
        key: The p-value that is read.

    >>> tone_of({"difference": 0.1, "p": 0.01}), tone_of({"difference": 0.1, "p": 0.2})
    ('better', 'unclear')
    """
    value, change = number(row.get(key)), number(row.get("difference"))
    if value is None or change is None or value >= LEVEL or change == 0:
        return UNCLEAR
    return BETTER if change > 0 else WORSE


def p_words(stored: object) -> str:
    """A p-value in words.

    >>> p_words(0.0421), p_words(0.00002), p_words(None)
    ('p = 0.042', 'p < 0.001', 'p n/a')
    """
    value = number(stored)
    if value is None:
        return "p n/a"
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def main_set(content: Content) -> Content:
    """The measures of the test set."""
    return mapping(content["sets"][content["main"]])


def headline(content: Content) -> str:
    """Which model is better on the test set, in a few words."""
    tone = tone_of(main_set(content)["accuracy"])
    if tone == UNCLEAR:
        return "No clear difference between A and B"
    return f"B is {tone} than A"


def verdict(content: Content) -> list[str]:
    """What a comparison says, most important first.

    Args:
        content: `diff.json`.

    Returns:
        The result on the test set; on the shifts; classes that clearly changed.
    """
    own = main_set(content)["accuracy"]
    other = main_set(content)["changed"] - own["fixed"] - own["broken"]
    rest = f"; {plural(other, 'mistake')} changed to another mistake" if other else ""
    sentences = [
        f"{headline(content)}: {points(own['difference'])} points on {content['main']} "
        f"(95 % interval {signed_span(interval(own['ci']))}; {p_words(own['p'])}). Of "
        f"{plural(own['n'], 'image')}, B fixes {own['fixed']:,} and breaks {own['broken']:,}{rest}."
    ]
    mean = mapping(content.get("shift_mean"))
    if mean:
        names = [name for name in content["sets"] if name != content["main"]]
        clear = interval(mean["ci"])
        doubt = " It may be chance." if clear and clear[0] <= 0 <= clear[1] else ""
        change = f"{points(mean['difference'])} points ({signed_span(clear)})"
        single = _single_shifts(content, names) if len(names) > 1 else ""
        sentences.append(f"On {over(names)}: {change}.{doubt}{single}")
    sentences += _changed(content)
    return sentences


def _single_shifts(content: Content, names: Sequence[str]) -> str:
    """On which shifts B is clearly better or worse."""
    words = ""
    for tone in (BETTER, WORSE):
        rows = [(name, content["sets"][name]["accuracy"]) for name in names]
        clear = [
            f"{name} ({points(row['difference'])})" for name, row in rows if tone_of(row) == tone
        ]
        words += f" Clearly {tone} on {enumerated(clear)}." if clear else ""
    return words


def _changed(content: Content) -> list[str]:
    """Classes and groups of the test set that changed more than chance explains."""
    own = main_set(content)
    tables = {"class": own["per_class"], **own["groups"]}
    sentences = []
    for tone in (WORSE, BETTER):
        words = [
            f"{row['name']} ({points(row['difference'])})"
            for rows in tables.values()
            for row in (rows if tone == WORSE else rows[::-1])
            if tone_of(row, "p_holm") == tone
        ]
        if words:
            sentences.append(f"Clearly {tone}: {enumerated(words)}.")
    return sentences


def limits_sentence(content: Content) -> str:
    """How many limits failed; empty where none was set.

    >>> limits_sentence({"limits": [{"failed": True}, {"failed": False}]})
    '1 of 2 limits failed'
    """
    limits = content["limits"]
    failed = sum(limit["failed"] for limit in limits)
    if not limits:
        return ""
    if not failed:
        return "the limit passed" if len(limits) == 1 else f"{len(limits)} limits passed"
    return f"{failed} of {plural(len(limits), 'limit')} failed"
