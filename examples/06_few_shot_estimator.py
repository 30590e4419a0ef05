"""A few images of each class, as a scikit-learn estimator; more shots and classes come later.

    python examples/06_few_shot_estimator.py photos new_photos

`photos` and `new_photos` hold one folder of images per class; without them the embedded
drawings are used.
"""

import os
import sys

import adapt
from adapt.data.sources.embedded import EMBEDDED

tiny = "ADAPT_TINY" in os.environ
embedded = EMBEDDED / "pictograms"
folders = sys.argv[1:] or [str(embedded / "emoji" / split) for split in ("train", "test")]
photos, new_photos = (adapt.Images.from_folder(folder) for folder in folders[:2])
data = adapt.ImageData.build(photos, val_fraction=None, shots=2 if tiny else 8)

candidates = ["gda", "zs_lp"] if tiny else []  # none named: all of them
model = adapt.FewShotClassifier(
    "adapt-icons-xs", "embedded", method="auto", settings={"candidates": candidates}
)
model.fit(data.train.paths, data.train.labels)
assert model.ranking_ is not None
for one in model.ranking_.methods[:5]:
    print(f"{one.name:18} {one.accuracy:.3f} +- {one.error:.3f}")
print("on new images:", round(model.score(new_photos.paths, new_photos.labels), 3))

more = photos.subset(range(0, len(photos), 40))
model.partial_fit(more.paths, more.labels)  # more shots; a new label would be a new class
model.to_classifier().save(os.environ.get("ADAPT_OUT", "model"))
