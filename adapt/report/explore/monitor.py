"""The page of `adapt monitor`."""

from collections.abc import Mapping
from typing import Any

from adapt.report.figures.monitor import figures
from adapt.report.figures.style import house_style
from adapt.report.record.values import interval
from adapt.report.record.words import enumerated, percent, span
from adapt.report.tables.cells import Cell, Table
from adapt.report.templating import environment
from adapt.report.write import draw, inline

Content = Mapping[str, Any]
CLEARLY = 0.02
"""By how much another alpha has to be better to be named."""


def headline(content: Content) -> str:
    """The most important sentence.

    Args:
        content: `monitor.json`.
    """
    own = content["accuracy"]
    ends = span(interval(own["ci"]))
    return f"about {percent(own['estimate'])} of the answers are right there, {ends}"


def sentences(content: Content) -> list[str]:
    """What was found, in plain sentences, without the headline.

    Args:
        content: `monitor.json`.
    """
    own, mix, unsure = content["accuracy"], content["mix"], content["unsure"]
    reference = content["reference"]
    said = [
        f"On {reference['kept']:,} held-out images ({reference['source']}) "
        f"{percent(own['reference'])} are. The interval covers what the estimator missed on our "
        "own shifts; a new place can be unlike all of them.",
        drift_sentence(content["drift"]),
    ]
    if mix["changed"]:
        said.append(
            f"The mix of classes is another: {percent(mix['moved'])} of the images would have to "
            f"change their class. More or less frequent than chance explains: "
            f"{enumerated(mix['changed'])}."
        )
    else:
        said.append("No class is clearly more or less frequent than among the held-out images.")
    said.append(unknown_sentence(content["unknown"]))
    said.append(
        f"{percent(unsure['share'])} of the images are answered with a confidence below "
        f"{percent(unsure['below'])}; of the held-out ones {percent(unsure['expected'])} are."
    )
    return [*said, line_sentence(content)]


def drift_sentence(drift: Content) -> str:
    """Whether the images are of another distribution.

    >>> drift_sentence({"p": 0.2, "drifted": False, "level": 0.05, "reason": None})
    'Their features do not differ clearly from those of held-out images (p = 0.2).'
    """
    if drift["p"] is None:
        return f"Whether they are of another distribution was not tested: {drift['reason']}."
    if drift["drifted"]:
        return (
            f"They are of another distribution than the held-out images (p = {drift['p']:.3g}, by "
            f"chance in {percent(drift['level'])} of all tests)."
        )
    return (
        "Their features do not differ clearly from those of held-out images "
        f"(p = {drift['p']:.3g})."
    )


def unknown_sentence(unknown: Content) -> str:
    """How many images look like none of the classes.

    >>> unknown_sentence({"share": None, "reason": "the model stores no detector"})
    'How many images are of no class was not looked at: the model stores no detector.'
    """
    if unknown["share"] is None:
        return f"How many images are of no class was not looked at: {unknown['reason']}."
    return (
        f"{percent(unknown['share'])} of the images look like none of the classes "
        f"({span(interval(unknown['ci']))}); {percent(unknown['expected'])} of known ones do."
    )


def line_sentence(content: Content) -> str:
    """Which alpha would be best there."""
    own, reason = content["along"], content["accuracy"]["reason"]
    if own["best"] is None:
        return f"Other models on the line to the start were not asked: {reason}."
    by_alpha = {point["alpha"]: point["estimate"] for point in own["points"]}
    best, shipped = by_alpha[own["best"]], by_alpha.get(own["shipped"])
    if shipped is None or own["best"] == own["shipped"] or best - shipped < CLEARLY:
        return f"No other alpha is estimated to be clearly better there than {own['shipped']:.4g}."
    return (
        f"The best alpha there is estimated to be {own['best']:.4g} ({percent(best)}; "
        f"{percent(shipped)} at {own['shipped']:.4g}, where the model is). Label images before you "
        "rely on it."
    )


def label_sentence(content: Content) -> str:
    """How many images to label."""
    own = content["to_label"]
    sure = f"+- {100 * own['width']:g} points"
    return (
        f"To know the accuracy to {sure}, label the {own['images']:,} images of to_label.csv; "
        f"drawn at random without strata it would be {own['at_random']:,}."
    )


def render_page(content: Content) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: `monitor.json`.
    """
    with house_style():
        drawn = [draw(figure) for figure in figures(content)]
    return (
        environment()
        .get_template("monitor.html.j2")
        .render(
            content=content,
            headline=headline(content),
            sentences=sentences(content),
            label_sentence=label_sentence(content),
            facts=_facts(content),
            figures=[files.figure for files in drawn],
            images={files.figure.name: inline(files) for files in drawn},
            estimators=estimators_table(content),
            classes=classes_table(content),
            strata=strata_table(content),
        )
    )


def _facts(content: Content) -> list[tuple[str, str, str]]:
    own, drift = content["accuracy"], content["drift"]
    p = "not tested" if drift["p"] is None else f"p = {drift['p']:.3g}"
    unknown = content["unknown"]["share"]
    return [
        ("estimated accuracy", percent(own["estimate"]), span(interval(own["ci"]))),
        ("on held-out images", percent(own["reference"]), span(interval(own["reference_ci"]))),
        ("another distribution", _yes(drift["drifted"]), p),
        ("of no known class", "-" if unknown is None else percent(unknown), ""),
    ]


def _yes(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"


def estimators_table(content: Content) -> Table:
    """Every estimator and what it says."""
    own = content["accuracy"]
    rows = [
        [
            Cell(each["title"], strong=name == own["estimator"]),
            Cell("-" if each["accuracy"] is None else percent(each["accuracy"])),
        ]
        for name, each in own["estimators"].items()
    ]
    legend = f"- {own['reason']}." if own["reason"] else ""
    return Table("Estimates of the accuracy", ["estimator", "accuracy"], rows, legend=legend)


def classes_table(content: Content) -> Table:
    """The mix of classes by both estimators."""
    header = ["class", "held-out", "predicted", "MLLS", "BBSE"]
    rows = [
        [
            Cell(row["name"]),
            Cell(percent(row["reference"])),
            Cell(percent(row["predicted"])),
            *(
                Cell(percent(row[name]["share"]), span(interval(row[name]["ci"])))
                for name in ("mlls", "bbse")
            ),
        ]
        for row in content["mix"]["classes"]
    ]
    return Table("Share of each class", header, rows)


def strata_table(content: Content) -> Table:
    """How many images to label of each stratum of confidence."""
    last = len(content["to_label"]["strata"]) - 1
    marks = {last: " (most confident)", 0: " (least confident)"}
    rows = [
        [
            Cell(f"{place}{marks.get(place, '')}"),
            Cell(f"{row['images']:,}"),
            Cell(f"{row['to_label']:,}"),
            Cell(percent(row["expected"])),
        ]
        for place, row in enumerate(content["to_label"]["strata"])
    ]
    header = ["stratum", "images", "to label", "expected accuracy"]
    return Table("Images to label", header, rows)
