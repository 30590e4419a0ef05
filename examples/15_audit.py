"""Who is served badly: accuracy and recall by group beside zero-shot, and further classes."""

import os
import tempfile
from pathlib import Path

import pandas as pd

import adapt
from adapt.explore.audit.result import audit
from adapt.explore.audit.settings import AuditSettings
from adapt.report.explore.audit import headline, sentences

styles = ["emoji", "outline", "colour", "silhouette", "solid"]
step = 8 if os.environ.get("ADAPT_TINY") else 1

# A table of labelled images, with a column to look at them by.
parts = {name: adapt.Images.from_embedded("pictograms", name, "test") for name in styles}
tables = [
    pd.DataFrame({"path": part.paths[::step], "label": part.labels[::step], "style": name})
    for name, part in parts.items()
]
photos = adapt.Images.from_frame(pd.concat(tables), Path(parts["emoji"].root).parents[1])

# A model that has seen emoji alone.
data = adapt.ImageData(adapt.Images.from_embedded("pictograms", "emoji", "train"))
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", list(data.train.classes.values()))
model = adapt.method("linear_probe", C=1.0).fit(start, data)

# Words beside its classes: who is answered with them, zero-shot?
folder = Path(os.environ.get("ADAPT_OUT", tempfile.mkdtemp()))
folder.mkdir(parents=True, exist_ok=True)
(folder / "words.txt").write_text("dinosaur\nrobot\n", encoding="utf-8")
settings = AuditSettings(min_images=10, extra_classes=str(folder / "words.txt"))
done = audit(model, photos, ["style"], settings, ["worst_group < 20"], start)
print(headline(done.content), *sentences("style", done.content), sep="\n")
print("a limit failed:", done.failed)
print(done.write(folder / "audit", overwrite=True))
