"""Embedding at volume: both engines on 20,000 images, an actor killed, memory, and the pace.

    python -m bench.embed_volume WORK local ray compare     # one after the other, or at once
    python -m bench.embed_volume WORK size pace page

Files (20,000 names for 99 drawn photos of 160 x 120 and, 1 in 100, one that is no image) and
results are kept in the folder WORK. `local` and `ray` (two actors of one thread) embed 2,000 and
20,000 of them on the CPU with the embedded model, each as a command of its own, whose memory is its
peak as the system counts it (`VmHWM`): for `ray` that is the driver. While `ray` has 20,000 to do,
the process that has begun to write a part after four are finished is killed. `compare` compares the
sets byte by byte, takes every third part away and has it made again. `pace` takes noise that is in
memory, and a JPEG file of 500 x 375, with one thread, by the embedded model and by ViT-B-32. `page`
writes docs/benchmarks/embed_volume.md. Needs Linux.
"""

import argparse
import io
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.predict_volume import PEAK, photos

SMALL, LARGE, ROWS = 2_000, 20_000, 1_000
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "embed_volume.md"


def sources(work: Path) -> dict[int, Path]:
    """Folders of so many images, 1 % of them bad, and the model beside."""
    import adapt

    folders = {count: work / f"photos-{count}" for count in (SMALL, LARGE)}
    for count, folder in folders.items():
        if not folder.is_dir():
            photos(folder, count)
            bad = work / "bad.jpg"
            bad.write_bytes(b"this is no image")
            for number in range(50, count, 100):
                path = folder / f"{number:06d}.jpg"
                path.unlink()
                os.link(bad, path)
    if not (work / "model").is_dir():
        names = ["cat", "dog", "car", "tree", "house"]
        adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names).save(work / "model")
    return folders


def embed(
    work: Path, source: Path, output: Path, *words: str, kill: bool = False
) -> dict[str, Any]:
    """One command; returns its peak in MiB, its seconds, and the process that was killed."""
    line = [
        sys.executable,
        "-c",
        PEAK,
        "embed",
        str(source),
        str(work / "model"),
        "-o",
        str(output),
    ]
    line += ["--part-rows", str(ROWS), "--device", "cpu", "--threads", "1", "--quiet", *words]
    begun, killed = time.monotonic(), 0
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as child:
        while kill and not killed and child.poll() is None:
            time.sleep(0.01)
            if len(list(output.glob("part-*_stats.json"))) < 4:
                continue
            for half in output.glob(".part-*.parquet.*.part"):
                killed = int(re.findall(r"\.(\d+)\.part$", half.name)[0])
                os.kill(killed, signal.SIGKILL)
                break
        shown = (child.communicate()[0]).splitlines()
    if child.returncode:
        raise SystemExit(f"{line} - ended with {child.returncode}")
    peak = int(shown[-1]) / 1024
    return {"peak": peak, "seconds": time.monotonic() - begun, "killed": killed, "said": shown[-2]}


def engine(work: Path, name: str, *words: str) -> dict[str, Any]:
    """Both sizes by one engine."""
    found = {}
    for count, source in sources(work).items():
        output = work / f"{name}-{count}"
        shutil.rmtree(output, ignore_errors=True)
        found[str(count)] = embed(
            work, source, output, *words, kill=name == "ray" and count == LARGE
        )
        print(name, count, found[str(count)], flush=True)
    return found


def local(work: Path) -> dict[str, Any]:
    """This process."""
    return engine(work, "local")


def ray(work: Path) -> dict[str, Any]:
    """Two actors."""
    return engine(work, "ray", "--engine", "ray", "--actors", "2")


def files(folder: Path) -> dict[str, bytes]:
    """What a set holds; what a killed process left half written is no part of it."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def compare(work: Path) -> dict[str, Any]:
    """Counts, differences between the engines, and between a set and the same made again."""
    here, there = files(work / f"local-{LARGE}"), files(work / f"ray-{LARGE}")
    stats = json.loads(there["_stats.json"])
    for number in range(0, LARGE // ROWS, 3):
        for name in (f"part-{number:06d}.parquet", f"part-{number:06d}_stats.json"):
            (work / f"ray-{LARGE}" / name).unlink()
    words = ("--engine", "ray", "--actors", "2")
    again = embed(work, sources(work)[LARGE], work / f"ray-{LARGE}", *words)
    after = files(work / f"ray-{LARGE}")
    return {
        "rows": stats["images"],
        "embedded": stats["embedded"],
        "errors": stats["errors"],
        "files": len(there),
        "names differ": sorted(here.keys() ^ there.keys()),
        "files differ": [name for name in here if here[name] != there.get(name)],
        "files differ again": [name for name in there if there[name] != after.get(name)],
        "again": again["said"],
    }


def size(work: Path) -> dict[str, Any]:
    """Bytes of a row, where all photos are different: features that repeat take less."""
    folder = work / "different"
    if not folder.is_dir():
        folder.mkdir()
        random = np.random.default_rng(1)
        for number in range(ROWS):
            blocks = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            blocks.resize((80, 60), Image.Resampling.BICUBIC).save(folder / f"{number:06d}.jpg")
    shutil.rmtree(work / "size", ignore_errors=True)
    embed(work, folder, work / "size")
    stats = json.loads((work / "size" / "_stats.json").read_text())
    written = (work / "size" / "part-000000.parquet").stat().st_size
    return {"bytes": written / ROWS, "width": stats["width"]}


def pace(work: Path) -> dict[str, Any]:
    """Images per second with one thread; the best of three."""
    import torch

    import adapt

    torch.set_num_threads(1)
    noise = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), dtype=np.uint8)
    blocks = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    with io.BytesIO() as stream:
        Image.fromarray(blocks).resize((500, 375), Image.Resampling.BICUBIC).save(stream, "JPEG")
        photo = stream.getvalue()
    found: dict[str, Any] = {}
    for arch, pretrained in (("adapt-icons-xs", "embedded"), ("ViT-B-32", "random")):
        predictor = adapt.Classifier.from_clip(arch, pretrained, ["cat", "dog"]).predictor
        side = predictor.preprocessing.size
        pixels = noise[:, :side, :side].copy()
        best = {"computing": 0.0, "decoding": 0.0}
        for _ in range(3):
            begun = time.monotonic()
            with torch.inference_mode():
                predictor.judge(pixels)
            best["computing"] = max(best["computing"], len(pixels) / (time.monotonic() - begun))
            begun = time.monotonic()
            for _ in range(32):
                predictor.pixels(photo)
            best["decoding"] = max(best["decoding"], 32 / (time.monotonic() - begun))
        found[arch] = {**best, "side": side}
    return found


PARTS = {"local": local, "ray": ray, "compare": compare, "size": size, "pace": pace}


def page(found: dict[str, Any]) -> str:
    """The figures in words."""
    both = found["compare"]
    lines = [
        "# Embedding at volume",
        "",
        f"Made by `python -m bench.embed_volume` on {platform.machine()} ({found['machine']}, "
        f"{os.cpu_count()} processors,",
        "which others used too). What is measured, and how, is said at the top of that file.",
        "",
        f"## Peak memory of the command, MiB, for {SMALL:,} and {LARGE:,} images",
        "",
        f"| | {SMALL:,} | {LARGE:,} | ratio |",
        "|---|---:|---:|---:|",
    ]
    names = {"local": "local, which computes itself", "ray": "driver of two actors of Ray"}
    for key, name in names.items():
        small, large = (found[key][str(count)]["peak"] for count in (SMALL, LARGE))
        lines.append(f"| {name} | {small:.0f} | {large:.0f} | {large / small:.3f} |")
    lines += ["", "| seconds, with start | | |", "|---|---:|---:|"]
    for key, name in names.items():
        small, large = (found[key][str(count)]["seconds"] for count in (SMALL, LARGE))
        lines.append(f"| {name} | {small:.0f} | {large:.0f} |")
    killed = "killed" if found["ray"][str(LARGE)]["killed"] else "NOT killed"
    lines += [
        "",
        f"## {LARGE:,} images, 1 % of them bad, one of two actors {killed} at work",
        "",
        f"- rows {both['rows']:,} = {both['embedded']:,} embedded + "
        + " + ".join(f"{count:,} {kind}" for kind, count in both["errors"].items()),
        f"- files of the set: {both['files']}; other than with the local engine: "
        f"{len(both['files differ']) + len(both['names differ'])}",
        f"- other than before, after every third part was taken away and made again: "
        f"{len(both['files differ again'])} ({both['again'].rpartition(':')[0]})",
        f"- bytes of a row of {found['size']['width']} numbers, where all photos differ: "
        f"{found['size']['bytes']:.0f} (the bare numbers are {4 * found['size']['width']})",
        "",
        "## Images per second of one thread",
        "",
        "| | computing | decoding and resizing 500 x 375 |",
        "|---|---:|---:|",
    ]
    for arch, best in found["pace"].items():
        name = f"{arch}, {best['side']} px"
        lines.append(f"| {name} | {best['computing']:.1f} | {best['decoding']:.0f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("parts", nargs="+", choices=[*PARTS, "page"])
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    store = PAGE.with_suffix(".json")
    result = json.loads(store.read_text()) if store.is_file() else {}
    for part in given.parts:
        if part == "page":
            PAGE.write_text(page(result), encoding="utf-8")
            continue
        result[part] = PARTS[part](given.work)
        result["machine"] = cpu_name()
        store.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def cpu_name() -> str:
    """As the system calls it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


if __name__ == "__main__":
    main()
