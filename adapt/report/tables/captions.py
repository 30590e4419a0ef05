"""How well images and captions are found by each other, in a run that learned classes."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.read import RunRecord
from adapt.report.record.scores import model_name
from adapt.report.record.values import interval, mapping
from adapt.report.record.words import count, percent, span
from adapt.report.tables.cells import Cell, Table, difference_cell

RECALLS = ("recall@1", "recall@5", "recall@10")
DIRECTIONS = {"text_to_image": "images for a caption", "image_to_text": "captions for an image"}


def captions_tables(run: RunRecord) -> list[Table]:
    """One table per eval of images with captions and direction, with a row for each model."""
    return [
        _table(str(name), direction, mapping(stored))
        for name, stored in mapping(run.scores.get("retrieval")).items()
        for direction in DIRECTIONS
    ]


def _table(name: str, direction: str, stored: Mapping[str, Any]) -> Table:
    models = {
        str(model): mapping(mapping(own).get(direction))
        for model, own in mapping(stored.get("models")).items()
    }
    rows = []
    for model, own in models.items():
        change = mapping(mapping(own.get("difference")).get(RECALLS[0]))
        recalls = [
            Cell(percent(own.get(key)), span(interval(own.get(f"{key}_ci")))) for key in RECALLS
        ]
        rows.append([Cell(model_name(model)), *recalls, difference_cell(change)])
    by_chance = next(iter(models.values()), {})
    chance = [Cell(percent(by_chance.get(key.replace("recall", "chance")))) for key in RECALLS]
    rows.append([Cell("chance"), *chance, Cell("")])
    legend = (
        f"{count(stored.get('images'))} images and {count(stored.get('captions'))} captions: how "
        "often a right answer is among the first 1, 5 and 10, with its 95 % interval; the "
        "difference is that of recall@1 to zero-shot. An image with several captions is right with "
        "any of them. Heads play no part."
    )
    if stored.get("cut"):
        legend += (
            f" {count(stored.get('cut'))} captions fill the context of the text encoder, which "
            "does not read on."
        )
    header = ["model", *RECALLS, "difference"]
    return Table(f"Retrieval on {name}: {DIRECTIONS[direction]}", header, rows, legend=legend)
