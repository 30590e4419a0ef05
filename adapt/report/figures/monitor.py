"""Figures of `adapt monitor`: estimated accuracy, confidence, mix of classes, the line."""

from collections.abc import Mapping
from typing import Any

from adapt.report.figures import style
from adapt.report.record.values import interval
from adapt.report.record.words import percent, shorten, span

Content = Mapping[str, Any]
MOST_CLASSES = 16


def figures(content: Content) -> list[style.ReportFigure]:
    """All figures that the content has numbers for.

    Args:
        content: `monitor.json`.
    """
    drawn = [accuracy_figure(content), confidence_figure(content), mix_figure(content)]
    return drawn + ([line_figure(content)] if content["along"]["points"] else [])


def accuracy_figure(content: Content) -> style.ReportFigure:
    """What each estimator says of the accuracy, beside that on held-out images."""
    own = content["accuracy"]
    rows = [
        (each["title"], each["accuracy"], name == own["estimator"])
        for name, each in own["estimators"].items()
        if each["accuracy"] is not None
    ]
    rows.sort(key=lambda row: row[2])
    figure = style.new_figure(7.4, 0.9 + 0.34 * (len(rows) + 1))
    axes = figure.add_subplot()
    low, high = own["reference_ci"]
    axes.plot([low, high], [len(rows)] * 2, color=style.MUTED, linewidth=3, alpha=0.5)
    axes.plot(own["reference"], len(rows), color=style.MUTED, marker="s", linestyle="none")
    for place, (_, value, chosen) in enumerate(rows):
        if chosen:
            axes.plot(own["ci"], [place] * 2, color=style.BLUE, linewidth=3, alpha=0.5)
        colour, marker = (style.BLUE, "o") if chosen else (style.ORANGE, "D")
        axes.plot(value, place, color=colour, marker=marker, linestyle="none")
    if own["limit"] is not None:
        axes.axvline(own["limit"], color=style.VERMILION, linestyle="--", linewidth=1.2)
    axes.set_yticks(range(len(rows) + 1), [*(title for title, _, _ in rows), "held-out images"])
    axes.set_ylim(-0.6, len(rows) + 0.6)
    style.percent_axis(axes, "x")
    axes.set_xlabel("accuracy")
    said = [f"{title}: {percent(value)}" for title, value, _ in rows]
    alt = f"Held-out images: {percent(own['reference'])}. " + "; ".join(said) + "."
    return style.ReportFigure(
        figure,
        alt,
        f"Estimates of the accuracy on {content['images']:,} images without labels. The round mark "
        f"is the one to go by, {percent(own['estimate'])}, with its interval "
        f"{span(interval(own['ci']))}.",
        "The further a mark lies to the left of the square, the more accuracy is lost. Where the "
        "estimators disagree, none of them can be trusted: label images.",
        "Estimated accuracy",
        "accuracy",
    )


def confidence_figure(content: Content) -> style.ReportFigure:
    """How sure the model is of new images and of held-out ones."""
    own = content["confidences"]
    figure = style.new_figure(7.4, 3.0)
    axes = figure.add_subplot()
    bins = len(own["new"])
    edges = [place / bins for place in range(bins + 1)]
    axes.stairs(own["reference"], edges, color=style.MUTED, fill=True, alpha=0.3, label="held-out")
    axes.stairs(own["new"], edges, color=style.BLUE, linewidth=2, label="new images")
    style.percent_axis(axes)
    style.percent_axis(axes, "x")
    axes.set_xlabel("confidence of the model")
    axes.set_ylabel("share of images")
    axes.legend(loc="upper left")
    unsure = content["unsure"]
    return style.ReportFigure(
        figure,
        f"{percent(unsure['share'])} of the new images are less confident than "
        f"{percent(unsure['below'])}, {percent(unsure['expected'])} of the held-out ones.",
        "Shares of images by the confidence of the model, in bins of 5 points.",
        "New images to the left of the grey area are answered with less confidence than held-out "
        "ones were.",
        "Confidence",
        "confidence",
    )


def mix_figure(content: Content) -> style.ReportFigure:
    """How often each class occurs there, by MLLS, beside the held-out images."""
    rows = sorted(
        content["mix"]["classes"],
        key=lambda row: -abs(row["mlls"]["share"] - row["reference"]),
    )[:MOST_CLASSES]
    rows = rows[::-1]
    figure = style.new_figure(7.4, 0.9 + 0.28 * len(rows))
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        axes.plot(row["mlls"]["ci"], [place] * 2, color=style.BLUE, linewidth=3, alpha=0.5)
        axes.plot(row["mlls"]["share"], place, color=style.BLUE, marker="o", linestyle="none")
        axes.plot(row["reference"], place, color=style.MUTED, marker="s", linestyle="none")
    axes.set_yticks(range(len(rows)), [shorten(row["name"], 24) for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    style.percent_axis(axes, "x")
    axes.set_xlabel("share of images")
    said = [
        f"{row['name']}: {percent(row['mlls']['share'])}, before {percent(row['reference'])}"
        for row in rows[::-1]
    ]
    return style.ReportFigure(
        figure,
        "; ".join(said) + ".",
        f"The {len(rows)} classes whose share moved most: round, the estimate (MLLS) with its "
        "interval; square, the held-out images.",
        "The estimate holds where images of a class look as they did and only the mix is another.",
        "Mix of classes",
        "mix",
    )


def line_figure(content: Content) -> style.ReportFigure:
    """The estimated accuracy along the line from the start."""
    own = content["along"]
    points = own["points"]
    figure = style.new_figure(7.4, 3.0)
    axes = figure.add_subplot()
    alphas = [point["alpha"] for point in points]
    for key, colour, marker, dashes, label in (
        ("reference", style.MUTED, "s", "--", "held-out images"),
        ("estimate", style.BLUE, "o", "-", "estimate on the new images"),
    ):
        values = [point[key] for point in points]
        axes.plot(alphas, values, color=colour, marker=marker, linestyle=dashes, label=label)
    style.chosen_line(axes, own["shipped"])
    style.percent_axis(axes)
    axes.set_xlabel("alpha")
    axes.set_ylabel("accuracy")
    axes.legend(loc="best")
    said = [f"{percent(point['estimate'])} at {point['alpha']:g}" for point in points]
    return style.ReportFigure(
        figure,
        f"Estimated accuracy: {', '.join(said)}.",
        f"From the start (0) to what was trained (1). The dotted line is the model itself, "
        f"{own['shipped']:.4g}.",
        "Where the upper line has its highest point at another alpha, `adapt mix` can make that "
        "model; differences of a few points are within the error of the estimate.",
        "Along the line to the start",
        "line",
    )
