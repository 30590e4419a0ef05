"""The table of ensembles of outputs, beside the curve of averaged weights."""

from adapt.report.record.curve import chosen_alpha
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ZERO_SHOT, ScoreTable, mean_of_shifts, model_name
from adapt.report.record.values import mapping, mean, number
from adapt.report.record.words import decimal
from adapt.report.tables.cells import Cell, Table
from adapt.report.tables.scores import accuracy_cell, mean_cell

ONE, TWO = "one model", "two models"
LEGEND = (
    "For reference only: an ensemble of outputs runs the zero-shot and the adapted model on every "
    "image, and cannot be shipped as one. DaWin weighs the two outputs of each image by how sure "
    "they are and how sure both are of the other images of the set (arXiv:2410.03782, which mixes "
    "weights by it). Temperatures are fitted on val. Weight: of the adapted model, in the mean."
)


def references_table(run: RunRecord) -> Table | None:
    """Ensembles of outputs beside the ends of the curve and the chosen point."""
    references = mapping(run.scores.get("references"))
    if not references:
        return None
    own = run.scores["models"]
    scores = ScoreTable({**run.scores, "models": {**own, **references}})
    averaged = ["output_ensemble"] if "output_ensemble" in own else []
    models = [name for name in (ZERO_SHOT, "adapted", "ensemble") if name in own]
    name = scores.test or "test"
    rows = [
        [
            Cell(model_name(model), strong=model == run.scores.shipped),
            Cell(ONE if model in models else TWO),
            accuracy_cell(scores, model, name),
            mean_cell(scores, model),
            *_weights(scores, model, chosen_alpha(run)),
        ]
        for model in [*models, *averaged, *references]
    ]
    shifts = mean_of_shifts(scores)
    header = ["model", "each image takes", name, shifts, f"weight, {name}", f"weight, {shifts}"]
    return Table("Averaged weights and averaged outputs", header, rows, words=2, legend=LEGEND)


def _weights(scores: ScoreTable, model: str, chosen: float | None) -> list[Cell]:
    """The weight of the adapted model on the test set, and its mean over the shifts."""
    alpha = {ZERO_SHOT: 0.0, "adapted": 1.0}.get(model, chosen)

    def weight(name: str) -> float | None:
        stored = number(scores.entry(model, name).get("weight"))
        return alpha if stored is None else stored

    over_shifts = mean([weight(shift) for shift in scores.shifts])
    return [Cell(decimal(weight(scores.test or ""), 2)), Cell(decimal(over_shifts, 2))]
