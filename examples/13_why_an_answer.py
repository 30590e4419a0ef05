"""Why a model answers as it does: which training labels pull it there, and which words."""

import os
import tempfile
from pathlib import Path

import adapt
from adapt.explore.why.result import why
from adapt.explore.why.settings import WhySettings

training = adapt.Images.from_embedded("pictograms", "emoji", "train")
test = adapt.Images.from_embedded("pictograms", "emoji", "test")
if os.environ.get("ADAPT_TINY"):
    training = training.subset(range(0, len(training), 12))
names = [training.classes[key] for key in training.class_names]
model = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)

done = why(model, test.paths[3:4], training, WhySettings(where=not os.environ.get("ADAPT_TINY")))
told = done.content["images"][0]
print(told["answer"], told["rival"], test.labels[3])
for entry in told["training"]["pulls"]["answer"]:
    print(f"without {entry['path']} the margin of a probe changes by {entry['refitted']:+.2f}")
for word in told["words"][:3]:
    print(f"{word['class_name']} without {word['word']!r}: logit {word['change']:+.2f}")

folder = Path(os.environ.get("ADAPT_OUT", tempfile.mkdtemp()), "why")
print(done.write(folder, overwrite=True))
