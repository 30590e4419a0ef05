"""Who is served badly: accuracy and recall by group beside zero-shot, and further classes."""

import os
import tempfile
from pathlib import Path

import pandas as pd

import adapt
from adapt.data.image_data import ImageData
from adapt.explore.audit.result import audit
from adapt.explore.audit.settings import AuditSettings
from adapt.report.explore.audit import headline, sentences

tiny = bool(os.environ.get("ADAPT_TINY"))
domains = ["emoji", "outline"] if tiny else ["emoji", "colour", "outline", "silhouette", "solid"]

# A table of labelled images with a column for each question: here the style of the drawing.
parts = {name: adapt.Images.from_embedded("pictograms", name, "test") for name in domains}
rows = [
    {"path": path, "label": label, "style": name}
    for name, images in parts.items()
    for path, label in zip(images.paths, images.labels, strict=True)
]
root = Path(parts["emoji"].root).parents[1]
photos = adapt.Images.from_frame(pd.DataFrame(rows), root)

# A model that has seen emoji alone.
train = adapt.Images.from_embedded("pictograms", "emoji", "train")
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", list(train.classes.values()))
model = adapt.method("linear_probe", C=1.0).fit(start, ImageData(train))

# Words of your own beside the model's classes: who is answered with them, zero-shot?
folder = Path(os.environ.get("ADAPT_OUT", tempfile.mkdtemp()))
words = folder / "words.txt"
words.write_text("dinosaur\nrobot\n", encoding="utf-8")

settings = AuditSettings(min_images=10, extra_classes=str(words))
done = audit(model, photos, ["style"], settings, ["worst_group < 20"], start)
print(headline(done.content))
for sentence in sentences("style", done.content):
    print(sentence)
print("a limit failed:", done.failed)
print(done.write(folder / "audit", overwrite=True))
