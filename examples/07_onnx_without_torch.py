"""Predict with an exported model: neither torch nor adapt is needed where it runs.

    adapt export runs/quickstart/model --to onnx -o model_onnx
    python 07_onnx_without_torch.py model_onnx photo.jpg other.png

Without arguments it makes an export first, for which adapt must be installed.
"""

import json
import runpy
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime


def made_here() -> list[str]:
    """An export of a small model, and two images."""
    import adapt
    from adapt.export.write import export

    images = adapt.Images.from_embedded("pictograms", "emoji", "test")
    names = [images.classes[key] for key in images.class_names]
    model = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
    return [str(export(model, Path(tempfile.mkdtemp()) / "onnx", "onnx")), *images.paths[:2]]


folder, *photos = sys.argv[1:] or made_here()
facts = json.loads(Path(folder, "export.json").read_text(encoding="utf-8"))
read = runpy.run_path(str(Path(folder, "preprocess.py")))["read"]
session = onnxruntime.InferenceSession(Path(folder, "model.onnx"))
pixels = np.stack([read(photo, facts["preprocessing"]) for photo in photos])
outputs = ["probabilities", "abstained", "unknown"]
for photo, row, abstained, unknown in zip(
    photos, *session.run(outputs, {"images": pixels}), strict=True
):
    doubts = "abstained" * bool(abstained) or "unknown" * bool(unknown)
    print(Path(photo).name, facts["class_names"][row.argmax()], round(row.max(), 3), doubts)
