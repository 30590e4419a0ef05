# %% [markdown]
# # Ship: a bundle, an ONNX file, and the proof that they answer alike
#
# Needs `pip install 'adapt-clip[onnx]'`.

# %%
import tempfile
from pathlib import Path

import adapt
from adapt.export.write import export

folder = Path(tempfile.mkdtemp())
images = adapt.Images.from_embedded("pictograms", "emoji", "test")
names = [images.classes[key] for key in images.class_names]
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
bundle = start.save(folder / "model")
print(*sorted(path.name for path in bundle.iterdir()), sep="\n")

# %% [markdown]
# The export is opened again in its own runtime and compared with the model before it is kept:

# %%
exported = export(start, folder / "onnx", "onnx")
print(*sorted(path.name for path in exported.iterdir()), sep="\n")

# %%
here, there = adapt.load(bundle), adapt.load(exported)
pairs = zip(here.predict(images.paths[:5]), there.predict(images.paths[:5]), strict=True)
for one, other in pairs:
    print(f"{one.label:12} {one.confidence:.4f}   {other.label:12} {other.confidence:.4f}")

# %% [markdown]
# `adapt serve model` puts the same bundle behind HTTP.
