"""A run of a tiny model on drawings, whose bundle has statistics of held-out images."""

from pathlib import Path

from adapt.runs.run import Run, run
from tests.helpers.tiny import VIT

RECIPE = """
version: 1
name: monitored
model: {{arch: {arch}, pretrained: random}}
data: {{train: {{kind: folder, root: {root}/train}}, val: {val}}}
method: {method}
ensemble: {{alphas: 3, rule: fixed, alpha: 0.5}}
ship: [mixed]
evals: {{test: {{kind: folder, root: {root}/test}}}}
report: {{formats: []}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""
FULL = "{name: full, optim: {lr: 1.0e-3, epochs: 2, batch_size: 8}}"


def run_on(root: Path, folder: Path, method: str = FULL, val: str | None = None) -> Run:
    """Run it.

    Args:
        root: Folders `train`, `val` and `test` of drawings.
        folder: New run folder.
        method: Of the recipe.
        val: Of the recipe; the folder `val` if None.
    """
    folder.mkdir(parents=True)
    recipe = folder.with_suffix(".yaml")
    val = val or f"{{kind: folder, root: {root}/val}}"
    recipe.write_text(RECIPE.format(arch=VIT, root=root, method=method, val=val))
    folder.rmdir()
    return run(recipe, [], folder)
