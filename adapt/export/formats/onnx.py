"""ONNX: one graph from uint8 images of any size to probabilities and verdicts."""

from pathlib import Path

import numpy as np
import torch

from adapt.data.decoding.preprocessing import PixelArray
from adapt.export.answers import GraphAnswers, Runtime
from adapt.export.base import FORMATS, Format
from adapt.export.graph.trace import example, free_sizes, quiet_tracing
from adapt.export.graph.whole import WholeGraph
from adapt.export.record import Record
from adapt.models.classifier import Classifier

FILE, INPUT = "model.onnx", "images"
OPSET = 20
APART_ABOVE = 1_800_000_000
"""Bytes of weights above which they stand in a file of their own: the format ends at 2 GB."""


def write(classifier: Classifier, folder: Path) -> None:
    """Export by way of `torch.export`."""
    graph = WholeGraph.of(classifier)
    size = sum(value.nbytes for value in graph.state_dict().values())
    with quiet_tracing():
        program = torch.onnx.export(
            graph,
            (example(graph),),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(GraphAnswers.names()),
            dynamic_shapes=free_sizes(),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None  # with dynamo there always is one
    program.save(str(folder / FILE), external_data=size > APART_ABOVE)


def read(folder: Path, record: Record) -> Runtime:
    """A session of onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        folder / FILE, options, providers=["CPUExecutionProvider"]
    )

    def run(images: PixelArray) -> GraphAnswers:
        return GraphAnswers(
            *map(np.asarray, session.run(list(GraphAnswers.names()), {INPUT: images}))
        )

    return run


FORMATS.register(
    "onnx",
    Format(
        "one ONNX graph from uint8 images of any size to probabilities and verdicts",
        write,
        read,
        needs=("onnx", "onnxscript", "onnxruntime"),
        extra="onnx",
    ),
)
