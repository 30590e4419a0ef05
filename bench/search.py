"""Search in embeddings: exact against brute force, time of warm answers, recall of faiss.

    python -m bench.search docs/benchmarks/search.md             # some minutes
    python -m bench.search PAGE --only faiss                     # this part alone

Vectors are drawn, not embedded: 100 centres with a common part, as features of images
have, so that any machine can repeat it. Questions are other draws from the same centres (as images
are) and sums of two centres turned away from all of them (as texts are, which lie apart from
images). Times are medians of 50 answers after one that is not counted; texts are encoded by a model
with drawn weights, which takes as long as one that was trained.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from adapt.common.files import json_text, write_json
from adapt.common.words import plural
from adapt.explore.search.approximate import Approximate, recall
from adapt.explore.search.encoder import QueryEncoder
from adapt.explore.search.exact import nearest
from adapt.explore.search.query import Query
from adapt.explore.search.vectors import FEATURES, Vectors
from adapt.models.classifier import Classifier
from adapt.predictions.opening import OpenModel
from bench.document import rewrite_below

MARKER = "<!-- Below this line: written by python -m bench.search -->"
ROWS, WIDTH, MANY = 100_000, 512, 1_000_000
ANSWERS, TOP, CENTRES = 50, 10, 100
CAPTIONS = 32_768
Search = Callable[[np.ndarray, int], object]


def drawn(rows: int, seed: int, width: int = WIDTH) -> np.ndarray:
    """Unit vectors (rows, width) around centres that share a part."""
    centres = np.random.default_rng(0).standard_normal((CENTRES, width)).astype(np.float32) + 1.0
    random = np.random.default_rng(seed)
    made = np.empty((rows, width), np.float32)
    for start in range(0, rows, 50_000):
        part = made[start : start + 50_000]
        part[:] = random.standard_normal(part.shape, np.float32)
        part += centres[random.integers(0, CENTRES, len(part))]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return made


def texts(count: int, seed: int) -> np.ndarray:
    """Unit questions that lie apart from all images, as those of texts do."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((CENTRES, WIDTH)).astype(np.float32)
    made = centres[random.integers(0, CENTRES, (count, 2))].sum(1) - 1.0
    made += random.standard_normal(made.shape).astype(np.float32)
    unit: np.ndarray = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def brute_force(features: np.ndarray, questions: np.ndarray, top: int) -> np.ndarray:
    """All products in float64, all of them sorted."""
    products = features.astype(np.float64) @ questions.T.astype(np.float64)
    rows = np.arange(len(features))
    return np.stack([np.lexsort((rows, -own))[:top] for own in products.T])


def searching(search: Search, questions: np.ndarray) -> dict[str, float]:
    """Times of an answer to one question; see `timed`."""
    return timed(lambda number: search(questions[number : number + 1], TOP))


def timed(ask: Callable[[int], object]) -> dict[str, float]:
    """Medians over the answers, in milliseconds: by the clock, and of the processor."""
    ask(0)
    clock, processor = [], []
    for number in range(ANSWERS):
        start, used = time.perf_counter(), time.process_time()
        ask(number)
        clock.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - used))
    return {"ms": statistics.median(clock), "processor_ms": statistics.median(processor)}


def mapped(rows: int, folder: Path) -> np.ndarray:
    """Drawn vectors as a memory map."""
    np.save(folder / FEATURES, drawn(rows, 1))
    features: np.ndarray = np.load(folder / FEATURES, mmap_mode="r")
    return features


def exact_part(rows: int = ROWS) -> dict[str, Any]:
    """Time of an answer, and equality with brute force where that fits into memory."""
    with tempfile.TemporaryDirectory() as place:
        features = mapped(rows, Path(place))
        questions = np.concatenate([drawn(ANSWERS // 2, 2), texts(ANSWERS // 2, 3)])
        own: dict[str, Any] = {"rows": rows, **searching(partial(nearest, features), questions)}
        if rows == ROWS:
            best = nearest(features, questions, TOP).rows
            own["equal"] = bool((best == brute_force(features, questions, TOP)).all())
    return own


def whole_part() -> dict[str, Any]:
    """A whole warm answer to a text: encoding, search, order; on one thread and on every core."""
    result = {}
    with tempfile.TemporaryDirectory() as place:
        for arch in ("adapt-icons-xs", "ViT-B-32"):
            model = Classifier.from_clip(arch, "random", ["cat"])
            encoder = QueryEncoder(OpenModel(model, "cpu", "32"), arch)
            features = mapped(ROWS, Path(place))[:, : model.backbone.width].copy()

            def ask(
                number: int, encoder: QueryEncoder = encoder, features: np.ndarray = features
            ) -> object:
                question = encoder.query(Query((f"a red bus at night, number {number}",)))
                return nearest(features, question[None], TOP)

            for threads in sorted({1, os.cpu_count() or 1}):
                torch.set_num_threads(threads)
                with threadpool_limits(threads):
                    result[f"{arch}, {plural(threads, 'thread')}"] = timed(ask)
    return result


def faiss_part(rows: int = ROWS) -> dict[str, Any]:
    """Recall against exact search, and times."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        features = mapped(rows, folder)
        start = time.perf_counter()
        made = Approximate.of(Vectors(features, None, folder))
        built = time.perf_counter() - start
        own: dict[str, Any] = {"rows": rows, "build_s": built}
        own |= {"cells": made.index.nlist, "read": made.index.nprobe}
        for name, questions in (("image", drawn(200, 2)), ("text", texts(200, 3))):
            best = made.nearest(questions, TOP).rows
            own[f"recall_{name}"] = recall(best, nearest(features, questions, TOP).rows)
            own[name] = searching(made.nearest, questions)
    return own


def captions_part() -> dict[str, Any]:
    """Captions of an image: the first call encodes them, the second does not."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["ADAPT_CACHE"] = place
        model = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat"])
        encoder = QueryEncoder(OpenModel(model, "cpu", "32"), "adapt-icons-xs")
        captions = [f"{number % 997} red and {number} blue things" for number in range(CAPTIONS)]
        image = np.full((64, 64, 3), 200, np.uint8)
        result: dict[str, Any] = {"captions": CAPTIONS}
        for name in ("first_s", "second_s"):
            start = time.perf_counter()
            features = encoder.captions(captions)
            nearest(features, encoder.images([image]), TOP)
            result[name] = time.perf_counter() - start
    return result


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "exact": exact_part,
    "exact_million": partial(exact_part, MANY),
    "whole": whole_part,
    "faiss": faiss_part,
    "faiss_million": partial(faiss_part, MANY),
    "captions": captions_part,
}
EXACT = "| exact search, vectors of 512 | of the processor, ms | by the clock, ms | = brute force |"
WHOLE = (
    "| a text among 100,000 images, encoding included | of the processor, ms | by the clock, ms |"
)
APPROXIMATE = (
    "| faiss, vectors of 512 | built, s | cells read | recall@10 of images | of texts | of the "
    "processor, ms: images | texts |"
)
RANKED = "| captions for an image, adapt-icons-xs | by the clock, s |"


def lines_of(measured: dict[str, Any]) -> list[str]:
    """The tables."""
    machine = measured["machine"]
    cores = f"{machine['cores']} cores that other work used too (load {machine['load']:.0f})"
    used = f"{machine['threads']} thread(s), Python {machine['python']}"
    lines = ["", f"Machine: {machine['processor']}, {cores}, {used}.", ""]
    lines += [EXACT, "|---|---:|---:|---|"]
    for own in _parts(measured, "exact"):
        equal = {True: "yes", False: "NO"}.get(own.get("equal", None), "not compared")
        lines.append(f"| {own['rows']:,} images | {_both(own)} | {equal} |")
    lines += ["", WHOLE, "|---|---:|---:|"]
    lines += [f"| {arch} | {_both(own)} |" for arch, own in measured.get("whole", {}).items()]
    lines += ["", APPROXIMATE, "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {own['rows']:,} images | {own['build_s']:.0f} | {own['read']} of {own['cells']:,} | "
        f"{own['recall_image']:.4f} | {own['recall_text']:.4f} | "
        f"{own['image']['processor_ms']:.1f} | {own['text']['processor_ms']:.1f} |"
        for own in _parts(measured, "faiss")
    ]
    if "captions" in measured:
        own = measured["captions"]
        lines += ["", RANKED, "|---|---:|"]
        lines.append(f"| {own['captions']:,}, first call | {own['first_s']:.1f} |")
        lines.append(f"| the same, second call | {own['second_s']:.2f} |")
    return lines


def _both(own: dict[str, float]) -> str:
    return f"{own['processor_ms']:.1f} | {own['ms']:.1f}"


def _parts(measured: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [measured[part] for part in (name, f"{name}_million") if part in measured]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    arguments = parser.parse_args()
    path = arguments.page.with_suffix(".json")
    measured = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    measured["machine"] = {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }
    for name in arguments.only:
        measured[name] = PARTS[name]()
        print(name, json_text(measured[name], None), file=sys.stderr, flush=True)
        write_json(path, measured)
        rewrite_below(arguments.page, MARKER, lines_of(measured))


if __name__ == "__main__":
    main()
