"""Tables of what the guard compared on held-out images."""

from adapt.report.record.guard import guard_of, held_out_images, worse_classes
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ZERO_SHOT, model_name
from adapt.report.record.ship import probe_ships
from adapt.report.record.values import mapping, number
from adapt.report.record.words import count
from adapt.report.tables.cells import Cell, Table, difference_cell

NO_GUARD = "scores.json holds no guard: the run is older than the guard, or no images were held out"


def guard_table(run: RunRecord) -> Table | None:
    """The paired comparisons of the guard, on the line that the shipped model lies on."""
    scores, stored = run.scores, guard_of(run.scores)
    end = "linear_probe" if probe_ships(scores) else "adapted"
    against, zero_shot = mapping(stored.get("against")), model_name(ZERO_SHOT)
    entries = {
        f"{scores.heading(scores.shipped)} minus {model_name(name)}": mapping(against.get(name))
        for name in (ZERO_SHOT, "linear_probe")
    }
    entries[f"{model_name(end)} (alpha 1) minus {zero_shot}"] = mapping(stored.get("adapted"))
    rows = [
        [Cell(label), difference_cell(entry)]
        for label, entry in entries.items()
        if number(entry.get("difference")) is not None
    ]
    legend = (
        f"Difference of {scores.measure} in points with its 95 % interval, on the "
        f"{held_out_images(stored)} that alpha was chosen on. The guard lowers alpha until the "
        "shipped model is no worse than zero-shot there; it looks at no test set."
    )
    header = ["on held-out images", "difference"]
    return Table("What the guard compared", header, rows, legend=legend) if rows else None


def worse_classes_table(run: RunRecord) -> Table | None:
    """The classes in which the shipped model is clearly below zero-shot on held-out images."""
    rows = [
        [Cell(str(entry.get("class"))), Cell(count(entry.get("n"))), difference_cell(entry)]
        for entry in worse_classes(run.scores)
    ]
    legend = "The whole 95 % interval is below zero. Classes with few images are not tested."
    header = ["class", "held-out images", "change from zero-shot"]
    return Table("Classes that became worse", header, rows, legend=legend) if rows else None
