"""ONNX: one graph from uint8 images of any size to probabilities and verdicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.data.decoding.preprocessing import PixelArray
from adapt.errors import BundleError, one_line
from adapt.export.answers import GraphAnswers, Runtime
from adapt.export.base import FORMATS, Format
from adapt.export.graph.trace import example, free_sizes, quiet_tracing
from adapt.export.graph.whole import WholeGraph
from adapt.export.record import Record
from adapt.models.building.libraries import quiet
from adapt.models.bundle.manifest import COPY
from adapt.models.classifier import Classifier

FILE, INPUT = "model.onnx", "images"
OPSET = 20
PRODUCTS = ("Conv", "Gemm", "MatMul")
FLOAT = 1
"""float32 in `onnx.TensorProto`."""
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
    """A session of onnxruntime on the CPU, which reads no file outside of the folder.

    Raises:
        BundleError: When the file is damaged, or asks for data elsewhere.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            folder / FILE, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # damage, data outside of the folder: each has an error of its own
        reason = one_line(error)
        raise BundleError(f"{folder / FILE} - cannot be opened - {reason} - {COPY}") from error
    names = [own.name for own in session.get_outputs()]
    if names != list(GraphAnswers.names()) or [own.name for own in session.get_inputs()] != [INPUT]:
        raise BundleError(f"{folder / FILE} - other inputs or outputs - {names} - {COPY}")

    def run(images: PixelArray) -> GraphAnswers:
        return GraphAnswers(
            *map(np.asarray, session.run(list(GraphAnswers.names()), {INPUT: images}))
        )

    return run


def int8(folder: Path, images: Sequence[PixelArray]) -> None:
    """Quantise products with a weight: per channel, ranges of activations from the images.

    Seven bits of the eight are used for weights: sums of pairs would overflow on processors without
    the instructions for them (VNNI), and answers would depend on the processor.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        left = iter(images)

        def get_next(self) -> dict[str, PixelArray] | None:
            image = next(self.left, None)
            return None if image is None else {INPUT: image[None]}

    small = folder / f"small-{FILE}"
    with quiet():
        quantize_static(
            folder / FILE,
            small,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(PRODUCTS),
            nodes_to_quantize=_with_weights(onnx.load(folder / FILE, load_external_data=False)),
        )
    for path in folder.glob(f"{FILE}*"):  # weights of large models stand in a file of their own
        path.unlink()
    small.rename(folder / FILE)


def _with_weights(model: Any) -> list[str]:
    """Names of the products with a float32 weight: neither attention's nor those that resize."""
    weights = {own.name for own in model.graph.initializer if own.data_type == FLOAT}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in PRODUCTS and weights & set(node.input)
    ]


FORMATS.register(
    "onnx",
    Format(
        "one ONNX graph from uint8 images of any size to probabilities and verdicts",
        write,
        read,
        needs=("onnx", "onnxscript", "onnxruntime"),
        extra="onnx",
        int8=int8,
    ),
)
