"""The table of `docs/benchmarks/speed.md`, from what the rows measured."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from bench.speed.growth import lines
from bench.speed.harness import ROWS, Row

UNITS = {"times_faster": "x", "fraction": "", "seconds": " s", "megabytes": " MB"}


def load_rows() -> dict[str, Row]:
    """Every row, by name, in the order of the files."""
    for path in sorted((Path(__file__).parent / "rows").glob("*.py")):
        import_module(f"bench.speed.rows.{path.stem}")
    return ROWS


def measure_here(name: str, out: Path) -> None:
    """Measure one row in this process and write what it gave as JSON."""
    row = load_rows()[name]
    figure = row.measure()
    value = row.value(figure)
    content = {**asdict(figure), "value": value, "reached": row.reached(value)}
    out.write_text(json.dumps(content, indent=1), encoding="utf-8")


def measure_apart(name: str) -> dict[str, Any]:
    """Measure one row in a process of its own, so that no row finds the memory of another."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "row.json"
        command = [sys.executable, "-m", "bench", "--only", name, "--json", str(out)]
        done = subprocess.run(command, check=False)
        if done.returncode or not out.is_file():
            return {"error": f"ended with {done.returncode}"}
        content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return content


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {count} cores, torch {torch.__version__}, Python {platform.python_version()}"


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """The table: rows that miss their limit say so and stay in."""
    lines = ["| work | opponent | limit | measured (range) | reached |", "|---|---|---:|---:|---|"]
    notes = []
    for name, result in results.items():
        row = ROWS[name]
        unit, bound = UNITS[row.kind], "at least" if row.kind == "times_faster" else "at most"
        if "error" in result:
            cells = [result["error"], "no"]
        else:
            cells = [_measured(row, result), "yes" if result["reached"] else "**no**"]
            facts = [f"{key}: {value}" for key, value in result["checks"].items()]
            told = "; ".join([*facts, result["note"]]).strip("; ")
            notes.append(f"- **{row.work}**: {told}.")
        cells = [row.work, row.opponent, f"{bound} {row.limit:g}{unit}", *cells]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes])


def document(stored: dict[str, Any], figure: str) -> list[str]:
    """`docs/benchmarks/speed.md`: what was measured, and what was not."""
    results = stored.get("rows", {})
    known = {name: results[name] for name in ROWS if name in results}
    missing = [f"- {row.work} ({row.opponent})" for name, row in ROWS.items() if name not in known]
    parts = [
        "## Measured",
        "Made by `python -m bench`; figures in `speed.json`. Machine: "
        f"{stored.get('machine', machine())}. Quoted is the median of the ratios of runs in turn, "
        "with their range.",
        markdown(known),
    ]
    if missing:
        parts += ["## Not measured yet", "\n".join(missing)]
    if "growth" in stored:
        parts += ["\n".join(lines(stored["growth"], figure))]
    parts += [
        "## On a GPU",
        "No GPU was at hand: `python -m bench.gpu` gives these figures where there is one.",
    ]
    return "\n\n".join(parts).split("\n")


def _measured(row: Row, result: dict[str, Any]) -> str:
    unit, ours, theirs = UNITS[row.kind], result["ours"], result["theirs"]
    if row.kind in ("seconds", "megabytes"):
        values = ours
    elif row.kind == "times_faster":
        values = [b / a for a, b in zip(ours, theirs, strict=True)]
    else:
        values = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{result['value']:.3g}{unit} ({min(values):.3g} to {max(values):.3g})"
