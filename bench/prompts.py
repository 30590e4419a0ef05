"""What prompts are worth: to zero-shot, and to what is adapted from it.

    python -m bench.prompts --cells prompts.json docs/benchmarks/prompts.md

The embedded model on `pictograms`: draws of 4 and 16 emoji per class, tested on emoji by other
artists and on the four other domains, the shifts. Templates are weighted and searched on the drawn
images alone. Accuracies in %, mean over draws. What is measured is kept, so the script goes on
where it was stopped.
"""

import argparse
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import adapt
from adapt.common.cache import cache_folder
from adapt.data.labels.classes import ClassName
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.stratified import sample_shots
from adapt.methods.features.named import feature_method
from adapt.methods.features.prompts import choose_prompts
from adapt.methods.features.support import Support
from adapt.models.classifier import Classifier
from adapt.models.prompts.columns import beside_templates
from adapt.models.settings import Prompts
from adapt.models.templates import resolve_templates
from adapt.training.context import Context
from adapt.training.features.pixels import prepare
from adapt.training.features.store import FeatureStore
from bench.document import rewrite_below

SHOTS, DRAWS = (4, 16), 3
DOMAINS = ("emoji", "outline", "solid", "colour", "silhouette")
OF_PRETRAINING = (
    "{}", "a {}", "an icon of a {}", "a drawing of a {}", "a picture of a {}", "a photo of a {}."
)  # fmt: skip
"""Of `tools/pretraining/icons.yaml`: what the model was trained with."""
PARTS = ("test", "shifts")
METHODS = ("clap", "gda", "linear_probe")
MARKER = "<!-- Below this line: written by bench/prompts.py -->"
Row = dict[str, float]
Rows = dict[str, Row]


@dataclass(frozen=True)
class Kind:
    """One way of saying the classes."""

    templates: tuple[str, ...]
    own: bool = False
    """Whether classes have the sentences that ship with the data."""
    settings: Prompts = field(default_factory=Prompts)


KINDS = {
    "names only": Kind(("{}",)),
    "templates `simple` (7)": Kind(("simple",)),
    "templates `openai` (80)": Kind(("openai",)),
    "templates of pretraining (6)": Kind(OF_PRETRAINING),
    "`openai`, weighted": Kind(("openai",), settings=Prompts(weights="zpe")),
    "of pretraining, weighted": Kind(OF_PRETRAINING, settings=Prompts(weights="zpe")),
    "`simple`, searched": Kind(("simple",), settings=Prompts(search=True)),
    "of pretraining, searched": Kind(OF_PRETRAINING, settings=Prompts(search=True)),
    "`simple`, searched, then weighted": Kind(
        ("simple",), settings=Prompts(search=True, weights="zpe")
    ),
    "class prompts as shipped": Kind(OF_PRETRAINING, True),
    "class prompts beside templates": Kind(OF_PRETRAINING, True, Prompts(beside_templates=True)),
    "the same, weighted": Kind(OF_PRETRAINING, True, Prompts(beside_templates=True, weights="zpe")),
    "class prompts, searched": Kind(OF_PRETRAINING, True, Prompts(search=True)),
}


class Bench:
    """Images, their features and the zero-shot model of each kind."""

    def __init__(self) -> None:
        self.context = Context(store=FeatureStore(cache_folder("features")), quiet=True)
        self.train: ImageList = adapt.Images.from_embedded("pictograms", "emoji", "train")
        self.names = [self.train.classes[key] for key in self.train.class_names]
        self.starts: dict[str, Classifier] = {}
        start = self.start("names only")
        self.keys = prepare(self.train, start.backbone.preprocessing).keys
        self.tests = {name: self.read(self.images(name)) for name in DOMAINS}

    def images(self, domain: str) -> ImageList:
        """Test images of a domain."""
        return adapt.Images.from_embedded("pictograms", domain, "test")

    def read(self, images: ImageList) -> tuple[Tensor, Tensor]:
        """Features and class numbers."""
        backbone, runtime = self.start("names only").backbone, self.context.runtime
        assert self.context.store is not None
        pixels = prepare(images, backbone.preprocessing, runtime)
        features = self.context.store.features(backbone, pixels, runtime)
        names = [name.key for name in self.names]
        return features, torch.from_numpy(images.targets(names))

    def classes(self, kind: Kind) -> list[ClassName]:
        """Their names, with sentences where the kind has some."""
        return self.names if kind.own else [replace(name, prompts=()) for name in self.names]

    def start(self, name: str) -> Classifier:
        """The zero-shot model before prompts are chosen."""
        if name not in self.starts:
            kind = KINDS[name]
            names = self.classes(kind)
            if kind.settings.beside_templates:
                names = beside_templates(names, resolve_templates(list(kind.templates)))
            model = "adapt-icons-xs", "embedded"
            self.starts[name] = Classifier.from_clip(*model, names, list(kind.templates))
        return self.starts[name]

    def accuracy(self, answer: Callable[[Tensor], Tensor], name: str, row: Row) -> None:
        """Add accuracy in % on the test set, and its mean over the shifts."""
        right = {}
        for domain, (features, targets) in self.tests.items():
            with torch.no_grad():
                logits = answer(features)
            there = torch.bincount(targets, minlength=logits.shape[1]) > 0
            right[domain] = 100 * float(
                (logits.masked_fill(~there, -torch.inf).argmax(1) == targets).double().mean()
            )
        row[f"{name}: test"] = right[DOMAINS[0]]
        row[f"{name}: shifts"] = float(np.mean([right[domain] for domain in DOMAINS[1:]]))

    def measured(self, shots: int, seed: int, name: str) -> Row:
        """One kind on one draw."""
        images = self.train.subset(sample_shots(self.train.labels, shots, seed, self.keys))
        features, targets = self.read(images)
        kind, context = KINDS[name], replace(self.context, seed=seed)
        given = self.classes(kind), kind.templates, kind.settings, images, context
        start, choice = choose_prompts(self.start(name), *given)
        zero_shot, row = start.head.weight.detach(), Row()
        if choice is not None and choice.searched is not None:
            row["used"] = float(choice.searched.better)
        support = Support(features[None], targets, zero_shot, seed=seed)
        self.accuracy(lambda x: x @ zero_shot.T, "zero-shot", row)
        for method in METHODS:
            head = feature_method(method).head(support)
            self.accuracy(head, method, row)
        self.accuracy(lambda x: (head(x) + x @ zero_shot.T) / 2, "half probe", row)
        return row


def document(known: dict[str, Rows]) -> list[str]:
    """A table for each number of images per class."""
    lines: list[str] = []
    columns = {
        "zero-shot": "zero-shot", "clap": "`clap`", "gda": "`gda`",
        "half probe": "probe at alpha 0.5", "linear_probe": "probe",
    }  # fmt: skip
    for shots in SHOTS:
        draws = [rows for key, rows in known.items() if key.split("|")[0] == str(shots)]
        if not draws:
            continue
        lines += ["", f"## {shots} images per class, {len(draws)} draws", ""]
        lines += ["Each cell: emoji by other artists / mean of the four shifts.", ""]
        lines += ["| prompts | " + " | ".join(columns.values()) + " | search used |"]
        lines += ["|---|" + "---:|" * (len(columns) + 1)]
        for kind in KINDS:
            rows = [draw[kind] for draw in draws if kind in draw]
            cells = []
            for name in columns:
                test, shifts = ([row[f"{name}: {part}"] for row in rows] for part in PARTS)
                cells.append(f"{np.mean(test):.1f} / {np.mean(shifts):.1f}")
            used = [row["used"] for row in rows if "used" in row]
            count = f"{sum(used):.0f} of {len(used)}" if used else ""
            lines.append(f"| {kind} | " + " | ".join(cells) + f" | {count} |")
    return lines


def main() -> None:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--cells", type=Path, required=True)
    given = parser.parse_args()
    known: dict[str, Rows] = {}
    if given.cells.is_file():
        known = json.loads(given.cells.read_text())
    bench = None
    for seed, shots, kind in itertools.product(range(DRAWS), SHOTS, KINDS):
        rows = known.setdefault(f"{shots}|{seed}", {})
        if kind not in rows:
            bench = bench or Bench()
            rows[kind] = bench.measured(shots, seed, kind)
            given.cells.write_text(json.dumps(known))
    rewrite_below(given.page, MARKER, document(known))


if __name__ == "__main__":
    main()
