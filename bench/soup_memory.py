"""Memory of soups: peak resident memory for ten ViT-B-32 state dicts, as multiples of one.

    python bench/soup_memory.py docs/benchmarks/soup_memory.md

Two different state dicts with the shapes of open_clip's ViT-B-32 (random numbers, float32) are
written to a temporary folder, and ten names are hard links to them: ten ingredients without the
disk space of ten. Each soup is made in a process of its own, which reads its peak before and after.
The greedy soup is scored the way a classifier is: every candidate is copied into a working model of
full size, which stays in memory; nine of ten ingredients are kept, so the last means are of nine.
Needs about 1.3 GB of disk and 2 GB of memory.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT = 10
LIMIT = 2.5
MIB = 2**20


def peak() -> int:
    """Peak resident memory of this process so far, in bytes; mapped files count."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes if sys.platform == "darwin" else kilobytes * 1024


def write(folder: Path) -> None:
    """Write two state dicts with the shapes of ViT-B-32 and link them ten times."""
    import torch
    from safetensors.torch import save_file

    from adapt.models.backbones import load_backbone

    state = load_backbone("ViT-B-32", "random").model.state_dict()
    for number in range(2):
        generator = torch.Generator().manual_seed(number)
        for value in state.values():
            value.copy_(torch.randn(value.shape, generator=generator))
        save_file(state, folder / f"source{number}")
    for number in range(COUNT):
        os.link(folder / f"source{number % 2}", folder / f"{number}.safetensors")


def measure(kind: str, folder: Path) -> None:
    """Make one soup and print its peak above what the process held before, in bytes."""
    import torch

    from adapt.ensembling.weights.interpolate import State
    from adapt.ensembling.weights.soup import TensorFiles, greedy_soup, uniform_soup

    torch.set_num_threads(1)
    ingredients = {
        str(number): TensorFiles({"": folder / f"{number}.safetensors"}) for number in range(COUNT)
    }
    uniform_soup([{"w": torch.ones(8)}] * 2)  # loads what is loaded on first use
    size = sum(value.numel() for value in ingredients["0"].outline().values()) * 4
    before, began = peak(), time.monotonic()
    if kind == "uniform":
        soup = uniform_soup(list(ingredients.values()))
    else:
        working = {name: torch.zeros(one.shape) for name, one in ingredients["0"].outline().items()}
        calls = 0

        def score(state: State) -> float:
            nonlocal calls
            for name, value in working.items():
                value.copy_(state[name])
            calls += 1
            return 0.0 if calls == COUNT + 5 else calls / 100

        found = greedy_soup(ingredients, score, start=ingredients["0"])
        soup = dict(found.state)
        assert len(found.chosen) == COUNT - 1
    seconds = time.monotonic() - began
    assert sum(value.numel() for value in soup.values()) * 4 == size
    print(json.dumps({"size": size, "before": before, "peak": peak(), "seconds": seconds}))


def child(*arguments: str) -> str:
    """What this script prints in a fresh process; this one stays small, as peaks are inherited."""
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Measure both soups and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="Markdown file to write")
    parser.add_argument("--child", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        kind, folder = arguments.child[0], Path(arguments.child[1])
        write(folder) if kind == "write" else measure(kind, folder)
        return
    lines = ["| soup of ten | peak MiB | of one state dict | seconds |", "|---|---:|---:|---:|"]
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        child(str(arguments.out), "--child", "write", folder)
        for kind in ("uniform", "greedy"):
            found = json.loads(child(str(arguments.out), "--child", kind, folder).splitlines()[-1])
            used = found["peak"] - found["before"]
            share = used / found["size"]
            worst = max(worst, share)
            lines.append(f"| {kind} | {used / MIB:.0f} | {share:.2f} | {found['seconds']:.0f} |")
    text = f"""# Memory of soups

Written by `python bench/soup_memory.py docs/benchmarks/soup_memory.md`, which says how
it is measured. One ViT-B-32 state dict (both encoders, float32) is
{found["size"] / MIB:.0f} MiB. Peaks are resident memory above that of the interpreter with its
libraries ({found["before"] / MIB:.0f} MiB). They include the result, and for the greedy soup the
working model that it is scored with.

{chr(10).join(lines)}

The limit is {LIMIT} state dicts: {"kept" if worst < LIMIT else "BROKEN"}. Machine:
{platform.machine()}, 1 thread, Python {platform.python_version()}.
"""
    arguments.out.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(worst >= LIMIT)


if __name__ == "__main__":
    main()
