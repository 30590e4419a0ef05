"""What a model cannot do: drawn tasks, and how a new class moves its answers."""

import os
import tempfile
from pathlib import Path

import adapt
from adapt.explore.weak_spots.result import ClassChange, probe_weak_spots
from adapt.explore.weak_spots.settings import WeakSpotSettings
from adapt.report.explore.weak_spots import verdict

tiny = bool(os.environ.get("ADAPT_TINY"))
photos = adapt.Images.from_embedded("pictograms", "emoji", "test")
names = [photos.classes[key] for key in photos.class_names]
model = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
done = probe_weak_spots(
    model,
    WeakSpotSettings(images=20 if tiny else 100),
    ClassChange(photos.subset(range(0, len(photos), 10)), add=["dinosaur"]),
    only=["counting", "left_right"] if tiny else (),
)
for sentence in verdict(done.content):
    print(sentence)
print(done.content["class_design"]["pairs"])
print(done.write(Path(os.environ.get("ADAPT_OUT", tempfile.mkdtemp()), "weak"), overwrite=True))
