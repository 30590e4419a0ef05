"""The programs that are run on features, and the method of `adapt` that stands beside each."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.peers import (
    cross_modal,
    gda,
    linear_probes,
    lp_plus_plus,
    on_dassl,
    on_images,
    prediction_sets,
    tip_adapter,
)
from bench.peers.problem import Problem
from bench.peers.source import Patch

DRAW, VAL, TEST = "the draw", "the draw, val", "the draw, val, test"


class Program(NamedTuple):
    """One way to run one project."""

    name: str
    """Of the project."""
    settings: str
    """How it is run."""
    sees: str
    """Labels that it fits or chooses by."""
    clone: str
    """Folder of its clone; empty for an installed library."""
    run: Callable[[Path, Problem], float]
    """Test accuracy in per cent, from the clone and a problem."""
    method: str
    """The method of `adapt`."""
    draws: int = 3
    """Draws that are run."""

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{self.run.__module__.rpartition('.')[2]}-{self.run.__name__}"

    def load(self, clone: Path) -> None:
        """Import their code, which stays imported."""
        module = sys.modules[self.run.__module__]
        if self.clone:
            module.load(clone)


PROGRAMS = (
    Program("Tip-Adapter", "alpha, beta by val, as published", VAL, tip_adapter.CLONE,
            tip_adapter.searched, "tip_adapter", draws=1),
    Program("Tip-Adapter", "alpha, beta of its config", DRAW, tip_adapter.CLONE,
            tip_adapter.as_configured, "tip_adapter"),
    Program("Tip-Adapter-F", "epoch by test, as published", TEST, tip_adapter.CLONE,
            tip_adapter.tuned_by_test, "tip_adapter_f", draws=1),
    Program("Tip-Adapter-F", "epoch by val", VAL, tip_adapter.CLONE,
            tip_adapter.tuned_by_val, "tip_adapter_f", draws=1),
    Program("LP++", "epoch by val, as published", VAL, lp_plus_plus.CLONE,
            lp_plus_plus.by_val, "lp_plus_plus"),
    Program("LP++", "epoch by the draw", DRAW, lp_plus_plus.CLONE,
            lp_plus_plus.by_draw, "lp_plus_plus"),
    Program("GDA", "alpha by val, as published", VAL, gda.CLONE, gda.by_val, "gda"),
    Program("GDA", "alpha by the draw", DRAW, gda.CLONE, gda.by_draw, "gda"),
    Program("CLAP", "as published", DRAW, on_dassl.CLAP, on_dassl.clap, "clap"),
    Program("TaskRes", "as published", DRAW, on_dassl.TASKRES, on_dassl.taskres, "task_residual"),
    Program("cross-modal", "rate and step by val", VAL, cross_modal.CLONE,
            cross_modal.by_val, "cross_modal", draws=1),
    Program("CLIP_benchmark", "weight decay by val, as published", VAL, linear_probes.CLONE,
            linear_probes.by_val, "linear_probe"),
    Program("CLIP_benchmark", "no val, as published", DRAW, linear_probes.CLONE,
            linear_probes.without_val, "linear_probe"),
    Program("scikit-learn", "LogisticRegression(C=0.316)", DRAW, "",
            linear_probes.scikit_learn, "linear_probe"),
)  # fmt: skip

PATCHES: dict[str, tuple[Patch, ...]] = {
    tip_adapter.CLONE: tip_adapter.PATCHES,
    lp_plus_plus.CLONE: lp_plus_plus.PATCHES,
    gda.CLONE: gda.PATCHES,
    f"{on_dassl.CLAP}, {on_dassl.TASKRES}, {on_dassl.DASSL}": on_dassl.PATCHES,
    cross_modal.CLONE: cross_modal.PATCHES,
    linear_probes.CLONE: linear_probes.PATCHES,
    **on_images.PATCHES,
    prediction_sets.CLONE: (),
}

CLONES = tuple(name for names in PATCHES for name in names.split(", "))
