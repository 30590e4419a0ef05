"""A few images per class in a scikit-learn estimator; more images and classes come later.

    python examples/06_few_shot_estimator.py photos new_photos

`photos` and `new_photos` hold one folder of images per class; without them the embedded
drawings are used.
"""

import os
import sys

import adapt

tiny = "ADAPT_TINY" in os.environ
if sys.argv[1:]:
    photos, new_photos = (adapt.Images.from_folder(folder) for folder in sys.argv[1:3])
else:
    photos, new_photos = (
        adapt.Images.from_embedded("pictograms", "emoji", split) for split in ("train", "test")
    )
data = adapt.ImageData.build(photos, val_fraction=None, shots=2 if tiny else 8)

candidates = ["gda", "zs_lp"] if tiny else []  # an empty list: all methods
model = adapt.FewShotClassifier(
    "adapt-icons-xs", "embedded", method="auto", settings={"candidates": candidates}
)
model.fit(data.train.paths, data.train.labels)
assert model.ranking_ is not None
for method in model.ranking_.methods[:5]:
    print(f"{method.name:18} {method.accuracy:.3f} +- {method.error:.3f}")
print("on new images:", round(model.score(new_photos.paths, new_photos.labels), 3))

more = photos.subset(range(0, len(photos), 40))
model.partial_fit(more.paths, more.labels)  # more shots; a new label would be a new class
model.to_classifier().save(os.environ.get("ADAPT_OUT", "model"))
