"""Measure the speed of `adapt` against what people would use instead.

    python -m bench                        # every row; writes docs/benchmarks/speed.md and .json
    python -m bench --list
    python -m bench --only probe_pets      # these rows alone; the others keep their figures
    python -m bench --table                # write the table again from the stored figures

Features and photos of real benchmarks are read from `--data`; rows that need them are left out
with the reason where they are not there.
"""

import argparse
import json
import os
from pathlib import Path

from bench.document import rewrite_below
from bench.speed.table import document, load_rows, machine, measure_apart, measure_here

OUT = Path("docs/benchmarks/speed.md")
DATA = "ADAPT_BENCH_DATA"
MARKER = "<!-- Below this line: written by python -m bench -->"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="names of rows")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--table", action="store_true", help="measure nothing")
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
    stored = OUT.with_suffix(".json")
    known = json.loads(stored.read_text(encoding="utf-8")) if stored.is_file() else {}
    results = known.get("rows", {})
    for name in [] if arguments.table else arguments.only or rows:
        results[name] = measure_apart(name)
        print(name, {k: v for k, v in results[name].items() if k != "note"}, flush=True)
        content = {"machine": machine(), "rows": {n: results[n] for n in rows if n in results}}
        stored.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    rewrite_below(OUT, MARKER, ["", *document(results, known.get("machine", machine()))])


if __name__ == "__main__":
    main()
