"""Fine-tune on one folder, then choose a point between the old and the new weights.

    python examples/03_wise_ft_on_your_folder.py photos other_photos

`photos` and `other_photos` hold one folder of images per class; without them the embedded
drawings are used.
"""

import os
import sys
from pathlib import Path

import adapt

tiny = "ADAPT_TINY" in os.environ
if sys.argv[1:]:
    photos, *others = (adapt.Images.from_folder(folder) for folder in sys.argv[1:])
else:
    photos = adapt.Images.from_embedded("pictograms", "emoji", "train")
    others = [adapt.Images.from_embedded("pictograms", "outline", "test")]

data = adapt.ImageData.build(photos, val_fraction=0.2, shots=2 if tiny else None)
names = [data.train.classes[key] for key in data.class_names]
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
optim = adapt.Optim(lr=3e-4, epochs=1 if tiny else 8, batch_size=64)
tuned = adapt.method("full", optim=optim).fit(start, data)

shifts = {Path(images.root).name: images for images in others}
best, curve = adapt.wise_ft(start, tuned, data.val, shifts, alphas=3 if tiny else 11)
for point in curve.points:
    print(
        f"alpha {point['alpha']:.1f} ",
        {name: round(point[name]["accuracy"], 3) for name in ("val", *shifts)},
    )
print("chosen on val:", curve.chosen)
best.save(os.environ.get("ADAPT_OUT", "model"))
