# %% [markdown]
# # In production: torch and Pillow are enough
#
# A saved model needs neither pandas nor Lightning. One bad input is one row with an error, not a
# crash.

# %%
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import adapt

images = adapt.Images.from_embedded("pictograms", "emoji", "test")
names = [images.classes[key] for key in images.class_names]
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
folder = start.save(Path(tempfile.mkdtemp()) / "model")

# %%
classifier = adapt.Classifier.load(folder)  # every file is checked against its hash
broken = folder.parent / "broken.jpg"
broken.write_bytes(b"not an image")
inputs = [images.paths[0], Image.open(images.paths[1]), np.zeros((64, 64, 3), np.uint8), broken]
for said in classifier.predict(inputs, top=2):
    print(said.label, f"{said.confidence:.3f}", said.error or said.top)

# %% [markdown]
# Streams of any length are predicted in order, decoded ahead, in constant memory:

# %%
counts: dict[str, int] = {}
for said in classifier.predict_iter(images.paths):
    counts[said.label] = counts.get(said.label, 0) + 1
print(dict(sorted(counts.items(), key=lambda item: -item[1])[:5]))
