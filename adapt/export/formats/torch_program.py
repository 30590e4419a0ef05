"""A program of `torch.export`: the same graph, for torch without this package."""

from pathlib import Path

import torch

from adapt.export.answers import Runtime
from adapt.export.base import FORMATS, Format
from adapt.export.graph.trace import example, free_sizes, quiet_tracing
from adapt.export.graph.whole import WholeGraph, runtime_of
from adapt.export.record import Record
from adapt.models.classifier import Classifier

FILE = "model.pt2"


def write(classifier: Classifier, folder: Path) -> None:
    """Export and save."""
    graph = WholeGraph.of(classifier)
    with quiet_tracing():
        program = torch.export.export(
            graph, (example(graph),), dynamic_shapes=free_sizes(), strict=False
        )
        torch.export.save(program, folder / FILE)


def read(folder: Path, record: Record) -> Runtime:
    """The program as a module; who calls this trusts it, see `Format.check_trusted`."""
    with quiet_tracing():
        module = torch.export.load(folder / FILE).module()

    return runtime_of(module)


FORMATS.register(
    "torch",
    Format("a torch.export program: the same graph for torch alone", write, read, runs_code=True),
)
