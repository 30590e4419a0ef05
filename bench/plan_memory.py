"""What `adapt plan` says of memory beside what a training takes: docs/benchmarks/plan_memory.md.

    python -m bench.plan_memory docs/benchmarks/plan_memory.md

Each training is a `fit` of two steps on noise, on the CPU, in a process of its own, whose largest
resident memory is read at the end; the estimate comes from a step on fake tensors. What a process
holds before a model is loaded is most of the memory of the embedded model: `plan` adds a fixed
figure for it. Measured cases are kept as JSON beside the page, so that `--only` measures a few of
them anew. Ten minutes on one core; 5 GB of memory.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

MODELS = {"adapt-icons-xs": "embedded", "ViT-B-32": "random"}
IMAGES = {"adapt-icons-xs": (64, 64), "ViT-B-32": (16, 2)}
"""In a step, by precision: a CPU that has to imitate bf16 takes ten seconds for one in ViT-B-32."""
TRAININGS = (
    ("full", "none"),
    ("full", "ema"),
    ("full", "feature_distillation"),
    ("full", "self_distillation"),
    ("full", "car_ft"),
    ("full", "lipsum_ft"),
    ("lora", "none"),
    ("flyp", "none"),
    ("flyp", "self_distillation"),
)
"""Methods (`flyp` trains both encoders), and what has copies of the weights."""
PRECISIONS = ("32", "bf16-mixed")
STEPS, WITHIN = 2, 0.15
COLUMNS = ("images", "said", "took", "before")
MIB = 2**20


@dataclass(frozen=True)
class Case:
    """One training."""

    arch: str
    method: str
    setting: str
    precision: str

    @property
    def batch(self) -> int:
        """Images in a step."""
        return IMAGES[self.arch][PRECISIONS.index(self.precision)]


def draw(folder: Path, count: int) -> None:
    """Noise of two classes."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"class {number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8)).save(path)


def estimated(case: Case) -> float:
    """MiB that `plan` says."""
    import adapt
    from adapt.models.classifier import Classifier
    from adapt.runs.memory import Where, prepared, texts_per_step, training_memory

    method = adapt.method(case.method, optim=optim_of(case))
    start = Classifier.from_clip(case.arch, MODELS[case.arch], ["class 0", "class 1"])
    where, tuned = Where("cpu", case.precision), prepared(method, start)
    texts = texts_per_step(method, tuned, case.batch)
    memory = training_memory(start, tuned, optim_of(case), case.batch, texts, where)
    return memory.gib * 2**30 / MIB


def optim_of(case: Case) -> Any:
    """`Optim` of the training."""
    from adapt.training.settings import Optim

    own = {} if case.setting == "none" else {case.setting: 0.5}
    return Optim(lr=1e-6, epochs=1, batch_size=case.batch, **own)


def measured(case: Case, folder: Path) -> tuple[float, float]:
    """MiB that a process takes: that trains, and before it loads a model."""
    import torch

    import adapt
    from adapt.data.image_data import ImageData
    from adapt.data.sources.folders import from_folder
    from adapt.models.classifier import Classifier
    from adapt.training import loop  # noqa: F401 - what it imports is part of the interpreter
    from adapt.training.context import Context
    from adapt.training.settings import Runtime
    from bench.speed.harness import peak

    torch.set_num_threads(1)
    data = ImageData(from_folder(folder))
    runtime = Runtime(accelerator="cpu", precision=case.precision, workers="0")
    method, before = adapt.method(case.method, optim=optim_of(case)), peak()
    start = Classifier.from_clip(case.arch, MODELS[case.arch], ["class 0", "class 1"])
    method.fit(start, data, Context(runtime, augmentation="none", quiet=True))
    return peak(), before


def page(cases: dict[str, dict[str, float]]) -> str:
    """The document."""
    rows, ratios = [], []
    for name in sorted(cases):
        images, said, took, before = (cases[name][key] for key in COLUMNS)
        ratios.append(said / took)
        figures = f"{images} | {said:.0f} | {took:.0f} | {before:.0f} | {ratios[-1]:.2f}"
        rows.append(f"| {name.replace(', ', ' | ')} | {figures} |")
    worst = max(abs(ratio - 1) for ratio in ratios)
    every = [", ".join((a, *t, p)) for a, t, p in product(MODELS, TRAININGS, PRECISIONS)]
    missing = "; ".join(name for name in every if name not in cases) or "nothing"
    return f"""# Memory that `adapt plan` tells

Written by `python -m bench.plan_memory docs/benchmarks/plan_memory.md`, which says how it is
measured. MiB at the peak of a training on a CPU. "Before" is what the process held before it
loaded a model, and the ratio that of the estimate to the measurement.

| model | method | with | precision | images a step | `plan` says | measured | before | ratio |
|---|---|---|---|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

The limit is {WITHIN:.0%}: {"kept" if worst <= WITHIN else "NOT KEPT"}, at most {worst:.0%} off.
Not measured yet: {missing}. A CPU that imitates bf16 takes minutes for a step of ViT-B-32.
Machine: {platform.machine()}, 1 thread, Python {platform.python_version()}.
"""


def main() -> None:
    """Measure cases and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="Markdown file to write")
    parser.add_argument("--only", default="", help="words that a case must have")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measured(Case(**json.loads(arguments.case)), arguments.out)))
        return
    kept = arguments.out.with_suffix(".json")
    for arch, (method, setting), precision in product(MODELS, TRAININGS, PRECISIONS):
        case = Case(arch, method, setting, precision)
        if not set(arguments.only.split()) <= set(asdict(case).values()):
            continue
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), STEPS * case.batch)
            command = [sys.executable, "-m", "bench.plan_memory", folder]
            command += ["--case", json.dumps(asdict(case))]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        took, before = json.loads(done.stdout.splitlines()[-1])
        figures = dict(zip(COLUMNS, (case.batch, estimated(case), took, before), strict=True))
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        known[", ".join(asdict(case).values())] = figures
        print(case, figures, flush=True)
        kept.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        arguments.out.write_text(page(known), encoding="utf-8")


if __name__ == "__main__":
    main()
