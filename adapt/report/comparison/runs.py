"""The page of many runs: scores, differences to the first, settings that differ."""

from collections.abc import Mapping
from typing import Any

from adapt.common.words import listed
from adapt.report.comparison.verdict import tone_of
from adapt.report.figures.many_runs.runs import runs_figure
from adapt.report.figures.style import house_style
from adapt.report.record.scores import mean_of, model_name
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import decimal, percent, points, shorten, signed_span, span
from adapt.report.tables.cells import Cell, Table, arrow
from adapt.report.templating import environment
from adapt.report.write import draw, inline

Content = Mapping[str, Any]
SHOWN = 16
"""Settings that are shown without being asked for."""
LONGEST = 60
"""Letters of a setting that are shown."""
_SIGNS = {"better": "▲", "worse": "▼", "unclear": "○"}


def render_runs(content: Content) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: What `adapt report --compare --json` prints.
    """
    with house_style():
        figure = runs_figure(content)
        drawn = None if figure is None else inline(draw(figure))
    return (
        environment()
        .get_template("runs.html.j2")
        .render(
            content=content,
            headline=headline(content),
            scores=scores_table(content),
            differences=differences_table(content),
            reasons=no_differences(content),
            settings=settings_table(content),
            made=made_table(content),
            figure=figure,
            drawn=drawn,
        )
    )


def headline(content: Content) -> str:
    """Which run is best on the test set and on the shifts, and whether that is clear.

    Clear is said only of a run that is better than the first on the same images.
    """
    runs, test = content["runs"], content["test"]
    best = _best(runs, lambda run: run["shipped"]["scores"].get(test))
    if best is None:
        return "No run has a score on a test set."
    parts = [_named(best, percent(best["shipped"]["scores"][test]), str(test))]
    robust = _best(runs, lambda run: run["shipped"]["shift_mean"])
    if robust is not None:
        reached = percent(robust["shipped"]["shift_mean"])
        parts.append(_named(robust, reached, mean_of(content["shifts"])))
    entry = mapping(mapping(best["differences"]).get(test))
    doubt = ""
    if best is not runs[0] and "ci" in entry:
        clear = tone_of(entry) == "better"
        word = "clearly" if clear else "not clearly"
        doubt = f"; on the same images {best['name']} is {word} better than {runs[0]['name']}"
    scored = sum(number(run["shipped"]["scores"].get(test)) is not None for run in runs)
    without = ""
    if scored < len(runs):
        without = f" (no score on {test}: {len(runs) - scored} of {len(runs)} runs)"
    return f"Highest: {' and '.join(parts)}{without}{doubt}."


def _best(runs: list[Content], value: Any) -> Content | None:
    scored = [run for run in runs if number(value(run)) is not None]
    return max(scored, key=value, default=None)


def _named(run: Content, reached: str, where: str) -> str:
    return f"{run['name']} with {reached} on {where}"


def scores_table(content: Content) -> Table:
    """Every run on the test set, each shift and their mean, with the start below it."""
    sets, shifts = content["sets"], content["shifts"]
    mean = len(shifts) > 1
    rows = []
    for run in content["runs"]:
        own, start = run["shipped"], run["start"]
        cells = [
            Cell(
                percent(own["scores"].get(name)),
                _below(span(interval(own["intervals"].get(name))), start["scores"].get(name)),
            )
            for name in sets
        ]
        if mean:
            cells.append(Cell(percent(own["shift_mean"]), _below("", start["shift_mean"])))
        rows.append([Cell(run["name"], str(run["method"])), *cells])
    header = ["run", *sets, *([mean_of(shifts)] if mean else [])]
    legend = (
        "Of the model that each run ships; below it the 95 % interval and what its start scores. "
        "The mean is over the shifts that all runs have."
    )
    return Table(f"What ships: {content['measure']}", header, rows, legend=legend)


def _below(bounds: str, start: object) -> str:
    known = "" if number(start) is None else f"start {percent(start)}"
    return "; ".join(filter(None, [bounds, known]))


def differences_table(content: Content) -> Table | None:
    """Each run against the first on the same images; None where nothing could be compared."""
    sets, shifts = content["sets"], content["shifts"]
    mean = len(shifts) > 1
    rows = []
    for run in content["runs"][1:]:
        known = mapping(run["differences"])
        if not any("ci" in mapping(entry) for entry in known.values()):
            continue
        cells = [_difference(mapping(known.get(name))) for name in sets]
        if mean:
            stored = mapping(run["shift_difference"])
            bounds = interval(stored.get("ci"))
            moved = Cell(points(stored.get("difference")), signed_span(bounds), *arrow(bounds))
            cells.append(moved if stored else Cell("none"))
        rows.append([Cell(run["name"]), *cells])
    header = ["run", *sets, *([mean_of(shifts)] if mean else [])]
    legend = (
        "Points of accuracy, on the same images answered by both; below them the 95 % interval of "
        "paired proportions (Newcombe 1998, method 10). ▲ / ▼: McNemar's exact p is below 0.05. "
        "Many comparisons are made: of 20 without any difference 1 is marked by chance."
    )
    title = f"Difference to {content['runs'][0]['name']}"
    return Table(title, header, rows, legend=legend) if rows else None


def _difference(entry: Content) -> Cell:
    if "ci" not in entry:
        return Cell("none", "not the same images" if entry else "not scored by both")
    tone = tone_of(entry)
    bounds = signed_span(interval(entry["ci"]))
    return Cell(points(entry["difference"]), bounds, _SIGNS[tone], tone)


def no_differences(content: Content) -> list[str]:
    """Where no difference is formed, and why, as sentences."""
    first = content["runs"][0]["name"]
    reasons: dict[str, list[str]] = {}
    for run in content["runs"][1:]:
        if run["no_differences"]:
            reasons.setdefault(run["no_differences"], []).append(str(run["name"]))
        for entry in mapping(run["differences"]).values():
            if "reason" in entry:
                reasons.setdefault(entry["reason"], []).append(str(run["name"]))
    return [
        f"{first} and {listed(names)}: no difference is formed: {reason}."
        for reason, names in reasons.items()
    ]


def settings_table(content: Content) -> Table | None:
    """The settings in which the recipes differ; None where they do not."""
    names = [run["name"] for run in content["runs"]]
    rows = [
        [Cell(entry["key"]), *(_setting(entry["values"], name) for name in names)]
        for entry in content["settings"]
    ]
    legend = "Every key of the recipes in which not all runs have the same value; empty: not there."
    folded = f"Settings that differ: all {len(rows)} keys" if len(rows) > SHOWN else ""
    header = ["key", *names]
    return (
        Table("Settings that differ", header, rows, legend=legend, folded=folded) if rows else None
    )


def _setting(values: Content, name: str) -> Cell:
    if name not in values:
        return Cell("")
    value = values[name]
    return Cell("none" if value is None else shorten(str(value), LONGEST))


def made_table(content: Content) -> Table:
    """What each run is: model, method, alpha, calibration, time."""
    rows = [
        [
            Cell(run["name"], run["folder"]),
            Cell(str(run["base"])),
            Cell(str(run["method"])),
            Cell(model_name(run["ships"])),
            Cell("none" if run["alpha"] is None else f"{run['alpha']:g}"),
            Cell(str(run["seed"])),
            Cell(decimal(run["calibration_error"])),
            Cell("n/a" if run["seconds"] is None else f"{run['seconds'] / 60:.1f} min"),
        ]
        for run in content["runs"]
    ]
    header = ["run", "start", "method", "ships", "alpha", "seed"]
    header += [f"calibration error on {content['test']}", "time in all"]
    return Table("The runs", header, rows)
