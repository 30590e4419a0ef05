"""Tables of a sweep: settings in order, every test set, every run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapt.common.progress import time_text
from adapt.report.record.scores import mean_of, model_name
from adapt.report.record.sweep import (
    SEED,
    Spread,
    shift_names,
    short_keys,
    stored_spread,
    value_text,
)
from adapt.report.record.values import number
from adapt.report.record.words import decimal, percent, shorten, span
from adapt.report.sweep.verdict import MEASURE_WORDS
from adapt.report.tables.cells import Cell, Table

Content = Mapping[str, Any]
LEGEND = (
    "{seeds}○: cannot be told apart from the first on val (its difference is "
    "within 1.96 standard errors of two unpaired means). ▼: worse by more than chance explains. "
    "Test sets and zero-shot are shown, and decide nothing."
)
SEEDS = "Means over the seeds, below them the smallest and the largest. "


def settings_table(content: Content) -> Table:
    """Every setting that has a finished run, the best on val first."""
    keys = _keys(content)
    accuracy = content["rank_by"] == "accuracy"
    header = ["", *_headers(keys), *([] if accuracy else [MEASURE_WORDS[content["rank_by"]]])]
    header += ["val", "test", mean_of(shift_names(content) or ["shifts"]), "zero-shot test"]
    header += ["ships", "alpha", "time of a run"]
    several = any(entry["of"] > 1 for entry in content["settings"])
    rows = []
    for place, entry in enumerate(_scored(content), start=1):
        rank = Cell(str(place), _seeds(entry) if several else "", strong=place == 1)
        mark = {True: ("○", "unclear"), False: ("▼", "worse"), None: ("", "")}
        sign = ("", "") if place == 1 else mark[entry["tied"]]
        ranked = [] if accuracy else [_plain(entry, "rank_value", 3, sign)]
        val = _share(stored_spread(entry, "val"), *(sign if accuracy else ("", "")))
        rows.append(
            [
                rank,
                *_values(entry, keys),
                *ranked,
                val,
                *(_share(stored_spread(entry, name)) for name in ("test", "shift_mean")),
                _zero_shot(entry),
                _ships(entry),
                _plain(entry, "alpha", 2),
                _time(entry),
            ]
        )
    legend = LEGEND.format(seeds=SEEDS if several else "")
    return Table("Best on val first", header, rows, legend=legend)


def evals_table(content: Content) -> Table | None:
    """Every setting on every test set; None where there is one at most."""
    keys = _keys(content)
    names = list(dict.fromkeys(name for entry in _scored(content) for name in entry["evals"]))
    if len(names) < 2:
        return None
    rows = []
    for place, entry in enumerate(_scored(content), start=1):
        cells = [_share(stored_spread(entry["evals"], name)) for name in names]
        rows.append([Cell(str(place), strong=place == 1), *_values(entry, keys), *cells])
    header = ["", *_headers(keys), *(shorten(name, 22) for name in names)]
    return Table(
        "Accuracy on every test set",
        header,
        rows,
        legend="In the order of the first table, which is that of val.",
    )


@dataclass(frozen=True)
class RunLine:
    """One run, for the list of all."""

    name: str
    state: str
    reason: str
    val: str
    test: str
    ships: str
    alpha: str
    seconds: str


def run_lines(content: Content) -> list[RunLine]:
    """All runs in the order of the sweep."""
    return [_run_line(row) for row in content["runs"]]


def _run_line(row: Mapping[str, Any]) -> RunLine:
    done = "shipped" in row
    return RunLine(
        name=row["name"],
        state=row["state"],
        reason=row["reason"],
        val=percent(row["val"]) if done else "",
        test=percent(row["test"]) if done else "",
        ships=model_name(row["shipped"]) if done else "",
        alpha=decimal(row["alpha"], 2) if done else "",
        seconds=time_text(row["seconds"]) if number(row.get("seconds")) is not None else "",
    )


def _scored(content: Content) -> list[Mapping[str, Any]]:
    return [entry for entry in content["settings"] if entry["finished"]]


def _keys(content: Content) -> list[str]:
    return [key for key in content["plan"]["keys"] if key != SEED]


def _headers(keys: list[str]) -> list[str]:
    return list(short_keys(keys).values())


def _values(entry: Mapping[str, Any], keys: list[str]) -> list[Cell]:
    return [Cell(shorten(value_text(entry["settings"][key]), 32)) for key in keys]


def _seeds(entry: Mapping[str, Any]) -> str:
    of = "" if entry["finished"] == entry["of"] else f" of {entry['of']}"
    return f"{entry['finished']}{of} seed{'' if entry['of'] == 1 else 's'}"


def _share(spread: Spread | None, sign: str = "", tone: str = "") -> Cell:
    """An accuracy over seeds."""
    if spread is None:
        return Cell("n/a")
    note = span((spread.low, spread.high)) if spread.high > spread.low else ""
    return Cell(percent(spread.mean), note, sign, tone)


def _plain(
    entry: Mapping[str, Any], name: str, places: int, sign: tuple[str, str] = ("", "")
) -> Cell:
    spread = stored_spread(entry, name)
    if spread is None:
        return Cell("n/a")
    note = f"{spread.low:.{places}f} to {spread.high:.{places}f}"
    return Cell(decimal(spread.mean, places), note if spread.high > spread.low else "", *sign)


def _zero_shot(entry: Mapping[str, Any]) -> Cell:
    test, shifts = (stored_spread(entry, f"zero_shot_{name}") for name in ("test", "shift_mean"))
    text = "n/a" if test is None else percent(test.mean)
    return Cell(text, "" if shifts is None else f"shifts {percent(shifts.mean)}")


def _ships(entry: Mapping[str, Any]) -> Cell:
    """The models that ship, with counts where they differ between seeds."""
    shipped = entry["shipped"]
    names = [
        model_name(model) + (f" {times}" if len(shipped) > 1 else "")
        for model, times in shipped.items()
    ]
    return Cell(names[0], ", ".join(names[1:]))


def _time(entry: Mapping[str, Any]) -> Cell:
    spread = stored_spread(entry, "seconds")
    return Cell("n/a" if spread is None else time_text(spread.mean))
