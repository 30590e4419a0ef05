"""Measure the speed of `adapt` against what people would use instead.

    python -m bench                        # every row; writes docs/benchmarks/speed.md and .json
    python -m bench --list
    python -m bench --only probe_pets      # these rows alone; the others keep their figures
    python -m bench --growth               # the figure of how cost grows alone
    python -m bench --table                # write the table again from the stored figures

Features and photos of real benchmarks are read from `--data`; rows that need them are left out
with the reason where they are not there.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from adapt.common.files import write_json
from bench.document import rewrite_below
from bench.speed.growth import draw, measure_growth
from bench.speed.table import document, load_rows, machine, measure_apart, measure_here

OUT = Path("docs/benchmarks/speed.md")
FIGURE = OUT.parent / "figures" / "growth.png"
DATA = "ADAPT_BENCH_DATA"
MARKER = "<!-- Below this line: written by python -m bench -->"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="names of rows")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--growth", action="store_true", help="how cost grows, alone")
    parser.add_argument("--json", type=Path, help="with one row: write its figures here")
    parser.add_argument("--data", type=Path, default=None, help="folder of the benchmark data")
    arguments = parser.parse_args()
    if arguments.data is not None:
        os.environ[DATA] = str(arguments.data.resolve())
    rows = load_rows()
    if arguments.list:
        print("\n".join(rows))
        return
    if arguments.json is not None:
        measure_here(arguments.only[0], arguments.json)
        return
    write(measured_anew(arguments, list(rows)))


def measured_anew(arguments: argparse.Namespace, names: list[str]) -> dict[str, Any]:
    """The stored figures, with what was asked for measured again; stored after each row."""
    path = OUT.with_suffix(".json")
    stored: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    rows = stored.get("rows", {})
    asked = [] if arguments.table or arguments.growth else arguments.only or names
    for name in asked:
        rows[name] = measure_apart(name)
        print(name, {k: v for k, v in rows[name].items() if k != "note"}, flush=True)
        stored |= {"machine": machine(), "rows": {n: rows[n] for n in names if n in rows}}
        write_json(path, stored)
    if arguments.growth or not (arguments.table or arguments.only):
        stored["growth"] = measure_growth()
        write_json(path, stored)
    return stored


def write(stored: dict[str, Any]) -> None:
    """The document and its figure."""
    if "growth" in stored:
        FIGURE.parent.mkdir(exist_ok=True)
        draw(stored["growth"], FIGURE)
    rewrite_below(OUT, MARKER, ["", *document(stored, str(FIGURE.relative_to(OUT.parent)))])


if __name__ == "__main__":
    main()
