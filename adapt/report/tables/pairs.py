"""Tables of a run on images with captions."""

from adapt.report.record.pairs import RECALL, WAYS, class_sets, how_few, pair_sets, recall_change
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import SELECTION, ZERO_SHOT, ScoreTable
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import count, decimal, percent, points, span
from adapt.report.tables.cells import Cell, Table, Text, arrow

CUTOFFS = (1, 5, 10)
LEGEND = (
    "Recall at k: how often a right answer is among the first k; below it the 95 % interval. An "
    "image with several captions is right with any of them. A wrong answer that is as similar as "
    "the right one counts as before it. Chance: the same in a random order."
)


def recall_ladder(run: RunRecord) -> Table:
    """Recall at 10 of every model on every set of pairs, with the change from the start."""
    scores = run.scores
    sets = pair_sets(scores)

    def cell(model: str, name: str) -> Cell:
        change = recall_change(scores, model, name)
        note = f"chance {percent(scores.metric(model, name, 'chance@10'))}"
        if model == ZERO_SHOT:
            return Cell(percent(scores.metric(model, name, RECALL)), note)
        sign, tone = arrow(interval(change.get("ci")))
        moved = f"{sign} {points(change.get('difference'))}"
        return Cell(percent(scores.metric(model, name, RECALL)), "", moved, tone)

    rows = [
        [
            Cell(_named(scores, model), strong=model == scores.shipped),
            *(cell(model, n) for n in sets),
        ]
        for model in scores.models
    ]
    header = [
        "model",
        *(f"{name} (used to choose)" if name == SELECTION else name for name in sets),
    ]
    legend = "Mean of image to text and text to image; the change is from the start, in points."
    return Table("Recall at 10", header, rows, legend=legend)


def retrieval_tables(run: RunRecord) -> list[Table]:
    """Recall at 1, 5 and 10 in both directions, a table for each set of pairs."""
    return [_retrieval(run.scores, name) for name in pair_sets(run.scores)]


def _retrieval(scores: ScoreTable, name: str) -> Table:
    rows = []
    for model in scores.models:
        cells = [Cell(_named(scores, model), strong=model == scores.shipped)]
        for way in WAYS:
            entry = mapping(scores.entry(model, name).get(way))
            for cutoff in CUTOFFS:
                key = f"recall@{cutoff}"
                bounds = span(interval(entry.get(f"{key}_ci")))
                cells.append(Cell(percent(entry.get(key)), bounds))
            cells.append(Cell(decimal(entry.get("median_rank"), 1)))
        rows.append(cells)
    chance = [Cell("chance")]
    for way in WAYS:
        entry = mapping(scores.entry(ZERO_SHOT, name).get(way))
        chance += [Cell(percent(entry.get(f"chance@{cutoff}"))) for cutoff in CUTOFFS]
        chance.append(Cell(""))
    header = ["model", *([*(f"@{cutoff}" for cutoff in CUTOFFS), "median rank"] * len(WAYS))]
    groups = (("", 1), *((words, len(CUTOFFS) + 1) for words in WAYS.values()))
    images, captions = (
        count(scores.metric(ZERO_SHOT, name, key)) for key in ("images", "captions")
    )
    caption = f"Retrieval on {name}: {images} images, {captions} captions"
    return Table(caption, header, [*rows, chance], groups, legend=LEGEND)


def class_sets_table(run: RunRecord) -> Table | None:
    """Zero-shot accuracy on sets with classes, which the text encoder names."""
    scores, sets = run.scores, class_sets(run.scores)
    rows = [
        [
            Cell(_named(scores, model), strong=model == scores.shipped),
            *(Cell(percent(scores.metric(model, n)), span(scores.bounds(model, n))) for n in sets),
        ]
        for model in scores.models
    ]
    legend = "The text encoder of each model names the classes; no model learned them."
    return Table("Zero-shot accuracy", ["model", *sets], rows, legend=legend) if sets else None


def curve_table(run: RunRecord) -> Table | None:
    """The line from the start to the tuned model on held-out pairs, and on the evals."""
    curve = mapping(run.curve)
    points_of = [mapping(point) for point in curve.get("points") or []]
    if not points_of:
        return None
    known = {name for point in points_of for name in point if RECALL in mapping(point[name])}
    sets = [name for name in pair_sets(run.scores) if name in known - {SELECTION}]
    chosen = number(curve.get("chosen"))

    def row(point: object) -> list[Cell]:
        own = mapping(point)
        held, alpha = mapping(own.get("pairs")), number(own.get("alpha"))
        evals = [mapping(own.get(name)).get(RECALL) for name in sets]
        marked = f"{alpha:g}" + (" (shipped)" if alpha == chosen else "")
        seen = [Cell("" if value is None else percent(value)) for value in evals]
        cells = [Cell(percent(held.get("accuracy"))), Cell(decimal(held.get("nll")))]
        return [Cell(marked, strong=alpha == chosen), *cells, *seen]

    header = ["alpha", "recall at 1", "loss", *(f"{name}, recall at 10" for name in sets)]
    shown = (("for information only", len(sets)),) if sets else ()
    groups = (("", 1), ("held-out pairs", 2), *shown)
    legend = (
        "Alpha is chosen on held-out pairs by their contrastive likelihood: each image among the "
        "captions of all of them, and each caption among the images. The loss is in nats, at the "
        "model's own scale. The evals took no part in the choice."
    )
    rows = [row(point) for point in points_of]
    return Table("From the start to the tuned model", header, rows, groups, legend=legend)


def pairs_count_table(run: RunRecord) -> Table:
    """Images and captions of every set."""
    card = mapping(run.scores.get("data"))
    sets = {name: mapping(card.get(name)) for name in ("train", SELECTION)}
    sets |= {str(name): mapping(own) for name, own in mapping(card.get("evals")).items()}
    rows = [
        [Cell(name), Cell(count(own.get("n"))), Cell(count(own.get("captions")))]
        for name, own in sets.items()
    ]
    return Table("Images and captions", ["set", "images", "captions"], rows)


def few_words(run: RunRecord) -> Text | None:
    """How few pairs the run learned from, where they are few."""
    words = how_few(run.scores)
    return None if words is None else Text(words)


def _named(scores: ScoreTable, model: str) -> str:
    """The start is called that: it may never have seen a text."""
    return "start" if model == ZERO_SHOT else scores.heading(model)
