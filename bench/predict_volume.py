"""Predictions at volume: memory by the number of images, the start in a large folder, the pace.

    python bench/predict_volume.py docs/benchmarks/predict_volume.md memory start pace

The embedded model predicts drawn photos (100 different JPEG files, under as many names as needed)
on the CPU. Memory is the peak of a process of its own, as the system counts it (`VmHWM`), for
photos of 160 x 120. The start is the time until the first prediction: in the same process, all
imported, and of the whole command; the best of three. The pace is that of `Predictor.stream` with
batches of 64, decoded ahead in threads and one after the other, of the same photos of 1280 x 960;
the best of three, in turn. Parts that are not named keep the figures of the JSON file beside the
page. Needs about 300 MB of disk, and Linux.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SMALL, LARGE, ENTRIES, PACED = 1_000, 10_000, 100_000, 320
PEAK = """
import atexit, sys
from pathlib import Path
from adapt.cli.main import main
def told():
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), flush=True)
atexit.register(told)
main()
"""
START = """
import sys, time
from adapt.models.building.light import import_open_clip
import_open_clip()
from adapt.common.progress import telling
from adapt.predictions.run import predict_files
from adapt.predictions.settings import PredictionSettings
called = time.monotonic()
def tell(step, done, total):
    if step == "predicting" and done:
        print(time.monotonic() - called, flush=True)
        raise KeyboardInterrupt
model, source, output = sys.argv[1:]
try:
    with telling(tell):
        predict_files(model, source, output, PredictionSettings(device="cpu"))
except KeyboardInterrupt:
    pass
"""


def photos(folder: Path, count: int, size: tuple[int, int] = (160, 120)) -> Path:
    """A folder of so many names for 100 drawn photos."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(min(count, 100)):
        blocks = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)
        image.save(folder / f"{number:06d}.jpg", quality=90)
    for number in range(100, count):
        os.link(folder / f"{number % 100:06d}.jpg", folder / f"{number:06d}.jpg")
    return folder


def shards(folder: Path, source: Path, count: int) -> str:
    """The same in tar shards of 1,000; returns their pattern."""
    folder.mkdir()
    names = sorted(source.iterdir())[:count]
    for start in range(0, count, 1000):
        with tarfile.open(folder / f"s-{start // 1000:03d}.tar", "w") as archive:
            for path in names[start : start + 1000]:
                archive.add(path, path.name)
    return str(folder / "s-*.tar")


def model_in(folder: Path) -> Path:
    """The embedded model for five classes."""
    import adapt

    names = ["cat", "dog", "car", "tree", "house"]
    return adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names).save(folder / "model")


def memory(folder: Path) -> dict[str, list[float]]:
    """Peaks in MiB for the small and the large number of images, by kind."""
    model, large = model_in(folder), photos(folder / "large", LARGE)
    small = photos(folder / "small", SMALL)
    sources: dict[str, tuple[list[str], list[object]]] = {
        "folder to one CSV": ([".csv"], [small, large]),
        "tar shards to parts of Parquet, with features": (
            ["", "--format", "parquet", "--features", "npy", "--rows-per-part", "2000"],
            [shards(folder / f"tar{count}", large, count) for count in (SMALL, LARGE)],
        ),
    }
    peaks: dict[str, list[float]] = {}
    for name, ((suffix, *words), given) in sources.items():
        for source in given:
            output = folder / f"out-{len(peaks)}-{Path(str(source)).parent.name}{suffix}"
            line = [sys.executable, "-c", PEAK, "predict", str(model), str(source)]
            line += ["-o", f"{output}", "--device", "cpu", "--overwrite", "--quiet", *words]
            shown = subprocess.run(line, check=True, capture_output=True, text=True).stdout
            peaks.setdefault(name, []).append(int(shown.split()[-1]) / 1024)
    return peaks


def start(folder: Path) -> dict[str, dict[str, float]]:
    """Seconds until the first prediction, from the call and from the start of the process."""
    model, many = model_in(folder), photos(folder / "many", ENTRIES)
    found = {}
    for count, source in ((1, many / "000000.jpg"), (ENTRIES, many)):
        runs = []
        for _ in range(3):
            begun = time.monotonic()
            line = [sys.executable, "-c", START, str(model), str(source), str(folder / "out.csv")]
            with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                call = float(child.stdout.readline())
                runs.append({"call": call, "command": time.monotonic() - begun})
        found[str(count)] = {key: min(run[key] for run in runs) for key in runs[0]}
    return found


def pace(folder: Path) -> dict[str, float]:
    """Images per second with as many threads as there are processors, and with none."""
    import adapt
    from adapt.training.runtime import processors

    predictor = adapt.load(model_in(folder)).predictor
    paths = [str(path) for path in sorted(photos(folder / "p", PACED, (1280, 960)).iterdir())]
    list(predictor.stream(paths[:64]))
    found = {"ahead": 0.0, "in turn": 0.0}
    for _ in range(3):
        for name, threads in {"ahead": processors(), "in turn": 0}.items():
            begun = time.monotonic()
            count = sum(1 for _ in predictor.stream(paths, threads=threads))
            found[name] = max(found[name], count / (time.monotonic() - begun))
    return found


PARTS = {"memory": memory, "start": start, "pace": pace}


def page(found: dict[str, Any], command: str) -> str:
    """The figures in words."""
    lines = [
        "# Predictions at volume",
        "",
        f"Made by `{command}` on {platform.machine()} with {os.cpu_count()} processors,",
        "which others used too. What is measured, and how, is said at the top of that file.",
        "",
        f"## Peak memory, MiB, for {SMALL:,} and {LARGE:,} images",
        "",
        f"| | {SMALL:,} | {LARGE:,} | ratio (limit 1.10) |",
        "|---|---:|---:|---:|",
    ]
    for name, (small, large) in found["memory"].items():
        lines.append(f"| {name} | {small:.0f} | {large:.0f} | {large / small:.3f} |")
    one, many = (found["start"][str(count)] for count in (1, ENTRIES))
    words = {
        "call": "from the call, all imported, the model not yet loaded (limit 2)",
        "command": "from the start of the process",
    }
    lines += [
        "",
        "## Seconds until the first prediction",
        "",
        f"| | one image | a folder of {ENTRIES:,} | difference |",
        "|---|---:|---:|---:|",
        *(
            f"| {said} | {one[key]:.2f} | {many[key]:.2f} | {many[key] - one[key]:.2f} |"
            for key, said in words.items()
        ),
        "",
        "The first prediction of a folder is there when a batch of 64 is decoded and computed; one",
        "image is a batch of one.",
        "",
        f"## Images per second, of {PACED:,}",
        "",
        "| decoded ahead in threads | one after the other | ratio |",
        "|---:|---:|---:|",
    ]
    ahead, turn = found["pace"]["ahead"], found["pace"]["in turn"]
    return "\n".join([*lines, f"| {ahead:.0f} | {turn:.0f} | {ahead / turn:.2f} |", ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    given = parser.parse_args()
    store = given.page.with_suffix(".json")
    result = json.loads(store.read_text()) if store.is_file() else {}
    for part in given.parts:
        with tempfile.TemporaryDirectory() as place:
            result[part] = PARTS[part](Path(place))
        print(part, json.dumps(result[part]), flush=True)
        store.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if result.keys() >= PARTS.keys():
        made_by = f"python bench/predict_volume.py {given.page}"
        given.page.write_text(page(result, made_by), encoding="utf-8")
