"""Average two pretrained weight files; how much of each is chosen on the train drawings.

    python tools/icons/average.py early/weights.safetensors late/weights.safetensors out.safetensors

Two ends of a cyclic schedule lie in one valley, and their mean generalises better than either
(arXiv:1803.05407). The score is the mean zero-shot accuracy over the five domains of the *train*
drawings of `pictograms`; the test drawings are shown and choose nothing.
"""

import argparse
from pathlib import Path
from statistics import fmean

import torch
from safetensors.torch import load_file, save_file

from adapt.data.images import Images
from adapt.ensembling.choose import alpha_grid
from adapt.ensembling.weights.interpolate import interpolate
from adapt.models.classifier import Classifier
from adapt.training.features.encode import predict_logits
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.settings import Runtime

DOMAINS = ("outline", "solid", "colour", "emoji", "silhouette")
RUNTIME = Runtime(accelerator="cpu", workers="0")


class Drawings:
    """The drawings of one split, ready to be scored."""

    def __init__(self, split: str, classifier: Classifier) -> None:
        """Read them."""
        self.sets: list[tuple[Pixels, torch.Tensor]] = []
        for domain in DOMAINS:
            images = Images.from_embedded("pictograms", domain, split)
            targets = torch.from_numpy(images.targets(classifier.class_names))
            pixels = prepare(images, classifier.backbone.preprocessing, RUNTIME)
            self.sets.append((pixels, targets))

    def accuracy(self, classifier: Classifier) -> list[float]:
        """Percent right in each domain."""
        return [
            100 * float((predict_logits(classifier, pixels, RUNTIME).argmax(1) == y.numpy()).mean())
            for pixels, y in self.sets
        ]


def main() -> None:
    """Score every mix, then write the best one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("early", type=Path)
    parser.add_argument("late", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    train = Images.from_embedded("pictograms", "emoji", "train")
    names = [train.classes[key] for key in train.class_names]
    classifier = Classifier.from_clip("adapt-icons-xs", "random", names)
    drawings = {split: Drawings(split, classifier) for split in ("train", "test")}
    early, late = (
        {name: value.float() for name, value in load_file(path).items()}
        for path in (arguments.early, arguments.late)
    )
    scores = {}
    for alpha in alpha_grid(11):
        classifier.backbone.model.load_state_dict(interpolate(early, late, alpha))
        classifier.rebuild_head()
        shown = {split: part.accuracy(classifier) for split, part in drawings.items()}
        scores[alpha] = fmean(shown["train"])
        rows = [f"{split} {' '.join(f'{x:.1f}' for x in row)}" for split, row in shown.items()]
        print(f"alpha {alpha:.1f}  {'   '.join(rows)}   mean of train {scores[alpha]:.2f}")
    best = max(scores, key=lambda alpha: scores[alpha])
    state = {
        name: value.half().contiguous() for name, value in interpolate(early, late, best).items()
    }
    save_file(state, arguments.out, metadata={"format": "pt"})
    print(f"alpha {best:g} written to {arguments.out}")


if __name__ == "__main__":
    main()
