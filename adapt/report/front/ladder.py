"""The ladder of the first page: from zero-shot over a head to what ships."""

from adapt.report.record.pairs import is_pairs
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import SELECTION, ZERO_SHOT, mean_of_shifts
from adapt.report.tables.cells import Cell, Table
from adapt.report.tables.pairs import recall_ladder
from adapt.report.tables.scores import LADDER_LEGEND, accuracy_cell, mean_cell

STEPS = (ZERO_SHOT, "linear_probe", "adapted")
"""Below what ships; a head on frozen features is a linear probe."""
NOTES = {
    ZERO_SHOT: "the pretrained model",
    "linear_probe": "a head on frozen features",
    "adapted": "the method alone",
}


def steps_table(run: RunRecord) -> Table:
    """The few models that the verdict speaks of, on the test set and on the mean of the shifts.

    Where there is no test set, on the held-out images that the run chose by.
    """
    scores = run.scores
    if is_pairs(scores):
        return recall_ladder(run)
    known = [model for model in STEPS if model in scores["models"] and model != scores.shipped]
    shown = [*known, scores.shipped]
    held_out = scores.metric(scores.shipped, SELECTION) is not None
    name = scores.test or (SELECTION if held_out else "test")
    rows = []
    for model in shown:
        label = Cell(scores.heading(model), NOTES.get(model, ""), strong=model == scores.shipped)
        cells = [accuracy_cell(scores, model, name)]
        rows.append([label, *cells, *([mean_cell(scores, model)] if scores.shifts else [])])
    of = "used to choose" if name == SELECTION else "in-distribution"
    header = ["model", f"{name} ({of})"]
    header += [mean_of_shifts(scores)] if scores.shifts else []
    legend = LADDER_LEGEND.replace("accuracy", scores.measure)
    return Table(f"From zero-shot to what ships: {scores.measure}", header, rows, legend=legend)
