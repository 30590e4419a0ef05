"""Several labels per image: one regression for each label, with a threshold of its own."""

import os
import tempfile
from pathlib import Path

import adapt
from adapt.data.sources.embedded import from_scenes

tiny = bool(os.environ.get("ADAPT_TINY"))
# Scenes of two to four embedded drawings each, written to a table `path,labels` once. Yours:
# data.train='{kind: table, path: labels.csv, separator: "|"}'.
changes = [
    f"data.train.images={60 if tiny else 400}",
    "method=linear_probe",
    "ensemble.alphas=3",
    f"evals={{test: {{kind: scenes, images: {40 if tiny else 200}}}}}",
    "report={formats: [html], curve: none}",
]
done = adapt.run("several_labels", changes, Path(os.environ.get("ADAPT_OUT", tempfile.mkdtemp())))
for name in ("chance", "zero_shot", "adapted", "ensemble"):
    print(f"{name:10} mAP {done.scores['models'][name]['test']['mAP']:.3f}")
print(done.scores["guard"]["reason"])

scenes = from_scenes("emoji", "test", 40 if tiny else 200)
model = adapt.load(done.folder / "model")
for path, labels, said in zip(
    scenes.paths[:5], scenes.labels[:5], model.predict(scenes.paths[:5]), strict=True
):
    print(Path(path).name, "shows", labels, "- said", said.label or "none")
print(done.folder / "report.html")
