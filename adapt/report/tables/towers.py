"""The table of image encoders that were scored beside the model of a run."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.read import RunRecord
from adapt.report.record.scores import SELECTION, ZERO_SHOT, model_name
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import percent, span
from adapt.report.tables.cells import Cell, Table

LEGEND = (
    "Accuracy with its 95 % interval on the same images, as CLIP's Figure 10 compares encoders: a "
    "linear probe on frozen features, and the adapted model. Without a text encoder zero-shot is "
    "not measured (no text tower). Nothing of the other encoders ships."
)


def towers_table(run: RunRecord) -> Table | None:
    """Probe and adapted model of every image encoder, the run's own first."""
    towers = [mapping(tower) for tower in mapping(run.towers).get("towers") or []]
    if not towers:
        return None
    sets = [*run.scores.evals, SELECTION]
    own = mapping(run.scores.get("model"))
    every = [(own, mapping(run.scores["models"]))]
    every += [(tower, mapping(tower.get("models"))) for tower in towers]
    rows = [
        row
        for about, models in every
        for name in (ZERO_SHOT, "linear_probe", "adapted")
        if (row := _row(about, name, models, sets)) is not None
    ]
    header = ["image encoder", "model", *sets]
    return Table("Other image encoders", header, rows, words=2, legend=LEGEND)


def _row(
    about: Mapping[str, Any], name: str, models: Mapping[str, Any], sets: list[str]
) -> list[Cell] | None:
    scored = mapping(models.get(name))
    encoder = Cell(str(about.get("arch")), str(about.get("pretrained")))
    if not scored:
        absent = name == ZERO_SHOT and "zero_shot" not in models
        reason = [Cell("n/a", "no text tower"), *(Cell("n/a") for _ in sets[1:])]
        return [encoder, Cell(model_name(name)), *reason] if absent else None
    entries = (mapping(scored.get(key)) for key in sets)
    cells = [
        Cell(percent(number(entry.get("accuracy"))), span(interval(entry.get("accuracy_ci"))))
        for entry in entries
    ]
    return [encoder, Cell(model_name(name)), *cells]
