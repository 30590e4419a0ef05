"""What a zero-shot head is made of, where the recipe chose its prompts."""

from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import decimal, percent, points
from adapt.report.tables.cells import Cell, Table, Text

SHOWN = 12
"""Rows of a table that starts open."""


def prompts_table(run: RunRecord) -> Table | None:
    """The weight of each template, most first; nothing where none was chosen."""
    columns = mapping((run.prompts or {}).get("choice")).get("columns")
    if not columns:
        return None
    columns = sorted(columns, key=lambda column: -float(column["weight"]))
    scored = any(column.get("score") is not None for column in columns)
    rows = [
        [
            Cell(str(column["name"])),
            Cell(percent(column["weight"])),
            *([Cell(decimal(column.get("score"), 3))] if scored else []),
        ]
        for column in columns
    ]
    legend = "What each prompt counts in the average of a class; nothing was chosen on test images."
    if scored:
        legend += " The score is how sure the model is with it of training images, in logits."
    folded = f"all {len(rows)} prompts" if len(rows) > SHOWN else ""
    header = ["prompt", "weight", *(["score"] if scored else [])]
    return Table("Prompts of the zero-shot head", header, rows, legend=legend, folded=folded)


def sentences_words(run: RunRecord) -> Text | None:
    """Where sentences of the classes came from."""
    about = run.prompts or {}
    if not about.get("file"):
        return None
    place = "beside the templates" if about.get("beside_templates") else "in place of templates"
    return Text(f"Each class has sentences of {about['file']}, {place}.")


def search_words(run: RunRecord) -> Text | None:
    """What a search of prompts found, and why it is used or not."""
    search = mapping(mapping((run.prompts or {}).get("choice")).get("search"))
    gain, error = number(search.get("gain")), number(search.get("standard_error"))
    images = number(search.get("held_out_images"))
    if gain is None or error is None:
        return None
    if not images:
        return Text("No prompts were searched: every class has one training image.")
    before, after = number(search.get("accuracy_before")), number(search.get("accuracy_after"))
    change = "" if before is None or after is None else f", accuracy {points(after - before)}"
    used = "They are used" if search.get("kept") else "They are not used"
    chosen = ", ".join(f"`{name}`" for name in search.get("chosen") or [])
    return Text(
        f"Searched among {search.get('candidates')} prompts on {images:,.0f} training images, each "
        f"held out once: {chosen}. {used}: the gain in log-likelihood is {gain:+.3f} "
        f"(standard error {error:.3f}) nats per image{change}."
    )
