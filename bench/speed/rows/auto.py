"""The method `auto`: every head ranked by cross-validation, and the best fitted on all images."""

import subprocess
import sys

import torch
import torch.nn.functional as F

from adapt.methods.auto.method import Auto
from adapt.methods.features.support import Support
from bench.speed.harness import Figure, row, timed

CLASSES, SHOTS, WIDTH = 100, 16, 512
TIMES = 5
WORK = f"method auto, {CLASSES} classes x {SHOTS} images x {WIDTH}"
LIMIT, MOST = 20, 300


def support() -> Support:
    """Unit features around random directions, and texts near these."""
    random = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(CLASSES, WIDTH, generator=random), dim=1)
    y = torch.arange(CLASSES).repeat_interleave(SHOTS)
    noise = torch.randn(len(y), WIDTH, generator=random) * (2.4 / WIDTH**0.5)
    offset = torch.randn(CLASSES, WIDTH, generator=random) * (1.5 / WIDTH**0.5)
    x = F.normalize(centres[y] + noise, dim=1)
    return Support(x[None], y, 100 * F.normalize(centres + offset, dim=1))


@row("auto_seconds", WORK, "-", LIMIT, "seconds")
def seconds() -> Figure:
    """Time of the ranking and the head."""
    data, figure = support(), Figure([])
    for _ in range(TIMES):
        spent, (ranking, _) = timed(lambda: Auto().ranked_head(data))
        figure.ours.append(spent)
    figure.note = "methods are ranked side by side, one thread each"
    figure.checks["chosen"] = f"{ranking.best}, {100 * ranking.methods[0].accuracy:.1f} % held out"
    assert ranking.methods[0].accuracy >= ranking.methods[-1].accuracy
    return figure


@row("auto_memory", f"{WORK}: above the imports", "-", MOST, "megabytes")
def memory() -> Figure:
    """Growth of the peak, each time in a process of its own."""
    code = (
        "from bench.speed.harness import peak; from bench.speed.rows import auto as a;"
        "data = a.support(); before = peak(); a.Auto().ranked_head(data); print(peak() - before)"
    )
    command = [sys.executable, "-c", code]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout
               for _ in range(3)]  # fmt: skip
    return Figure([float(output) for output in outputs], note="growth of the peak resident memory")
