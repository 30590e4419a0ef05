"""Tables of the pages under docs/benchmarks, read back: no number is copied by hand."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks"
ROBUST, FEW_SHOT = "robust.md", "few_shot.md"
SHOTS = ("1", "2", "4", "8", "16")
Row = dict[str, str]


@cache
def tables(page: str) -> dict[str, list[Row]]:
    """The first table under each heading of a page, by heading."""
    text = (BENCHMARKS / page).read_text(encoding="utf-8")
    found: dict[str, list[Row]] = {}
    for part in text.split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        found[heading.strip()] = list(_first_table(body.splitlines()))
    return found


def _first_table(lines: list[str]) -> Iterator[Row]:
    columns: list[str] = []
    for line in lines:
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not columns:
                columns = cells
            elif not set("".join(cells)) <= set("-: "):
                yield dict(zip(columns, cells, strict=True))
        elif columns:
            return


def robust_tables() -> Iterator[tuple[str, list[Row]]]:
    """Name and rows of each benchmark of whole training sets."""
    for heading, rows in tables(ROBUST).items():
        if rows and "mean of shifts" in rows[0] and "method" in rows[0]:
            yield heading.partition(":")[0], rows


def few_shot_rows() -> dict[str, Row]:
    """By method, the row of the mean over all sets."""
    for heading, rows in tables(FEW_SHOT).items():
        if heading.startswith("All sets"):
            return {row["method"]: row for row in rows}
    raise LookupError(f"{FEW_SHOT} has no table of all sets")


def brief(cell: str) -> str:
    """A mean without its range.

    >>> brief("67.2 (65.9..68.0)")
    '67.2'
    """
    return cell.partition(" ")[0]


def measured(method: str, up: str = "../benchmarks/") -> list[str]:
    """What the benchmarks say of a method, as Markdown; empty where it is in none.

    Args:
        method: Its registered name.
        up: Path from the page to the benchmarks.
    """
    lines: list[str] = []
    for name, rows in robust_tables():
        own = [row for row in rows if row["method"].partition(" + ")[0] == method]
        if own:
            zero = next(row for row in rows if row["method"] == "zero_shot")
            lines += [
                f"Whole training set, **{name}** ([{ROBUST}]({up}{ROBUST})), accuracy in %, means "
                f"of three seeds; zero-shot has {brief(zero['test'])} on the test set and "
                f"{brief(zero['mean of shifts'])} on the shifts:",
                "",
                "| settings | model | test | mean of shifts | worst shift | other classes kept "
                "| training, s |",
                "|---|---|---:|---:|---:|---:|---:|",
            ]
            columns = ("test", "mean of shifts", "worst shift", "retention", "seconds")
            lines += [
                f"| {row['method']} | {row['model']} | "
                + " | ".join(brief(row[column]) for column in columns)
                + " |"
                for row in own
            ]
            lines.append("")
    return [*lines, *_few_shot(method, up)]


def _few_shot(method: str, up: str) -> list[str]:
    rows = few_shot_rows()
    if method not in rows:
        return []
    lines = [
        f"Few images ([{FEW_SHOT}]({up}{FEW_SHOT})), accuracy in %, mean of seven sets and five "
        "draws, by images per class:",
        "",
        "| method | 1 | 2 | 4 | 8 | 16 | below zero-shot | slowest, CPU s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    columns = (*SHOTS, "below zero-shot", "slowest, CPU s")
    for name in dict.fromkeys(["zero-shot", "gda", method]):
        lines.append(f"| {name} | " + " | ".join(rows[name][c] for c in columns) + " |")
    return [*lines, ""]


def all_numbers(methods: list[str]) -> str:
    """The page with every method on every benchmark.

    Args:
        methods: Registered names, in the order of the rows.
    """
    robust = list(robust_tables())
    few = few_shot_rows()
    head = [
        "method",
        *(f"{name}: {what}" for name, _ in robust for what in ("test", "shifts")),
        *SHOTS,
    ]
    lines = [TABLE, "", f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    labels = dict.fromkeys([*methods, *(row["method"] for _, rows in robust for row in rows)])
    for label in sorted(labels):
        cells = []
        for _, rows in robust:
            row = next((r for r in rows if (r["method"], r["model"]) == (label, "adapted")), None)
            cells += [brief(row["test"]), brief(row["mean of shifts"])] if row else ["", ""]
        shots = few.get("zero-shot" if label == "zero_shot" else label)
        cells += [shots[key] for key in SHOTS] if shots else [""] * len(SHOTS)
        name = label.partition(" + ")[0]
        shown = f"[`{name}`]({name}.md){label.removeprefix(name)}"
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


TABLE = f"""---
hide: [toc]
---

# All methods on all benchmarks

Read from the pages of the benchmarks when this site is built. Accuracy in %.

- *pictograms* and *PACS* ([{ROBUST}](../benchmarks/{ROBUST})): whole training sets, the
  embedded model, mean of three seeds, as trained, before WiSE-FT; `shifts` is the mean of
  the shifts.
- *1 to 16* ([{FEW_SHOT}](../benchmarks/{FEW_SHOT})): images per class, mean over seven sets of
  features and five draws; a method sees nothing else.

An empty cell was not measured. Which method to take when: [methods](../methods.md)."""
