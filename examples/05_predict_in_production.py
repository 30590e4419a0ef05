"""Load a finished model and predict paths, PIL images and arrays; a bad file stops nothing."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import adapt

images = adapt.Images.from_embedded("pictograms", "emoji", "test")
folder = Path(os.environ.get("ADAPT_OUT", tempfile.mkdtemp()), "production_model")
names = [images.classes[key] for key in images.class_names]
adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names).save(folder)  # or a run's `model`

classifier = adapt.Classifier.load(folder)  # every file is checked against its hash
broken = folder / "broken.jpg"
broken.write_bytes(b"not an image")
inputs = [images.paths[0], Image.open(images.paths[1]), np.zeros((64, 64, 3), np.uint8), broken]
for prediction in classifier.predict(inputs, batch_size=2, top=3):
    print(prediction.label, round(prediction.confidence, 3), prediction.error or prediction.top)
