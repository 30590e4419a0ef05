"""What to label next: suggest, label, learn, and again with what was learned.

    python examples/11_what_to_label_next.py

The embedded drawings play the images without labels, and their names the person who labels.
"""

import csv
import os
import shutil
from pathlib import Path

import adapt
from adapt.explore.suggest.run import suggest

out = Path(os.environ.get("ADAPT_OUT", "labelling"))
step, turns, budget = (10, 2, 15) if "ADAPT_TINY" in os.environ else (1, 4, 50)
drawings, test = (adapt.Images.from_embedded("pictograms", "emoji", s) for s in ("train", "test"))
(out / "pool").mkdir(parents=True, exist_ok=True)
truth = {}
for number in range(0, len(drawings), step):
    path = shutil.copy(drawings.paths[number], out / "pool" / f"{number:04d}.png")
    truth[Path(path).name] = drawings.labels[number]

model = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", drawings.class_names)
learner = adapt.FewShotClassifier("adapt-icons-xs", "embedded", method="nearest_centroid")
lists: list[Path] = []
for turn in range(turns):
    lists.append(suggest(model, out / "pool", budget, labelled=lists).write(out / f"round-{turn}"))
    with lists[-1].open(newline="") as file:
        names = [row["path"] for row in csv.DictReader(file)]
    labels = [truth[name] for name in names]  # a person fills in the column `label`
    with lists[-1].open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *zip(names, labels, strict=True)])
    learner.partial_fit([str(out / "pool" / name) for name in names], labels)
    model = learner.to_classifier()
    print(f"{(turn + 1) * budget} labels: accuracy {learner.score(test.paths, test.labels):.3f}")
photos = adapt.Images.from_table(lists[0], out / "pool")  # as `data.train` of a recipe reads it
print(f"{len(photos)} images of the first round, of {len(photos.class_names)} classes")
