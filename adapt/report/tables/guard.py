"""Tables of what the guard compared on held-out images."""

from adapt.report.record.guard import guard_of, held_out_images, worse_classes
from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import count
from adapt.report.tables.cells import Cell, Table, difference_cell

NO_GUARD = "scores.json holds no guard: the run is older than the guard, or no images were held out"
_COMPARED = {
    "zero_shot": "shipped minus zero-shot",
    "linear_probe": "shipped minus linear probe",
}


def guard_table(run: RunRecord) -> Table | None:
    """The paired comparisons of the guard."""
    stored = guard_of(run.scores)
    against = mapping(stored.get("against"))
    entries = {label: mapping(against.get(name)) for name, label in _COMPARED.items()}
    entries["adapted alone (alpha 1) minus zero-shot"] = mapping(stored.get("adapted"))
    rows = [
        [Cell(label), difference_cell(entry)]
        for label, entry in entries.items()
        if number(entry.get("difference")) is not None
    ]
    legend = (
        f"Difference of accuracy in points with its 95 % interval, on the "
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
