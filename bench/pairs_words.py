"""A reference for training on few pairs: no text encoder, but a linear map from words to images.

    python -m bench.pairs_words bench-runs/photos/pairs.csv words.json

Which words a caption has, weighted by how rare they are, is mapped to the unit features of its
image by a ridge regression, in closed form; `bench/pairs.py` writes the result beside the trained
encoders. Weights, penalty and whether the mean feature of the training images is subtracted first
are chosen on held-out fifths of the training photos; the test photos are opened once.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from adapt.common.arrays import FloatArray, IntArray
from adapt.common.files import write_json
from adapt.data.sources.captions.pairs import captions_of, from_pairs
from adapt.evaluation.metrics.retrieval import retrieval_ranks, retrieval_scores
from adapt.models.backbones import load_backbone
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime

LEAST = 3
"""Training captions that a word needs."""
FIFTHS = (0, 1, 2)
"""Seeds of the held-out fifths."""
WAYS = ("image_to_text", "text_to_image")


@dataclass(frozen=True)
class Words:
    """A setting of the reference."""

    rare: bool
    """Whether words count by the logarithm of how rare they are, or all the same."""
    penalty: float
    """Of the ridge regression."""
    centred: bool
    """Whether the mean feature of the training images is subtracted from all of them."""


GRID = [Words(*own) for own in product((True, False), (3.0, 30.0, 100.0), (True, False))]


@dataclass(frozen=True)
class Photos:
    """Unit features (N, D) of photos, and their captions."""

    features: FloatArray
    captions: list[list[str]]

    @classmethod
    def read(cls, table: Path, split: str) -> "Photos":
        """Encode the photos of a split."""
        images, backbone = (
            from_pairs(table, split=split),
            load_backbone("adapt-icons-xs", "embedded"),
        )
        runtime = Runtime(accelerator="cpu", workers="0", precision="32")
        pixels = prepare(images, backbone.preprocessing, runtime)
        features = image_features(backbone, pixels, runtime).double().numpy()
        return cls(features, [list(own) for own in captions_of(images)])

    def rows(self, chosen: IntArray) -> "Photos":
        """Some of the photos."""
        return Photos(self.features[chosen], [self.captions[row] for row in chosen])

    @property
    def owner(self) -> IntArray:
        """Photo of each caption."""
        return np.repeat(np.arange(len(self.captions)), [len(own) for own in self.captions])


def split_words(text: str) -> list[str]:
    """The words of a caption, each once.

    >>> split_words("A dog, a Dog!")
    ['a', 'dog']
    """
    return list(dict.fromkeys(re.findall("[a-z]+", text.lower())))


def unit(rows: FloatArray) -> FloatArray:
    """Rows of unit length; zeros stay."""
    scaled: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return scaled


def counted(captions: Sequence[str], weights: dict[str, float]) -> FloatArray:
    """Unit vectors of the words of captions (M, V)."""
    place = {word: number for number, word in enumerate(weights)}
    matrix = np.zeros((len(captions), len(weights)))
    for row, text in enumerate(captions):
        for word in split_words(text):
            if word in weights:
                matrix[row, place[word]] = weights[word]
    return unit(matrix)


def recall(train: Photos, test: Photos, chosen: Words) -> dict[str, Any]:
    """Recall of the reference on other photos than those it was fitted on."""
    texts = [text for own in train.captions for text in own]
    known = Counter(word for text in texts for word in split_words(text))
    weights = {
        word: float(np.log(len(texts) / count)) if chosen.rare else 1.0
        for word, count in known.items()
        if count >= LEAST
    }
    mean = train.features.mean(axis=0) if chosen.centred else np.zeros(train.features.shape[1])
    model = Ridge(alpha=chosen.penalty)
    model.fit(counted(texts, weights), (train.features - mean)[train.owner])
    asked = counted([text for own in test.captions for text in own], weights)
    ranks = retrieval_ranks(unit(test.features - mean), unit(model.predict(asked)), test.owner)
    return retrieval_scores(ranks)


def times_chance(scores: dict[str, Any]) -> float:
    """Mean recall at 10 of both directions over that of a random order."""
    own, chance = (
        np.mean([scores[way][key] for way in WAYS]) for key in ("recall@10", "chance@10")
    )
    return float(own / chance)


def held_out(train: Photos, chosen: Words) -> float:
    """Times chance on held-out fifths, in the mean."""
    told = []
    for seed in FIFTHS:
        order = np.random.default_rng(seed).permutation(len(train.features))
        first = len(order) // 5
        parts = [train.rows(np.sort(own)) for own in (order[first:], order[:first])]
        told.append(times_chance(recall(*parts, chosen)))
    return float(np.mean(told))


def reference(pairs: Path, result: Path) -> dict[str, Any]:
    """Choose on training photos, score once on test photos, and write what was measured.

    Args:
        pairs: Table of `bench.pairs.prepare`.
        result: JSON file; one that is there is read.
    """
    if result.is_file():
        return dict(json.loads(result.read_text(encoding="utf-8")))
    train = Photos.read(pairs, "train")
    tried = {own: held_out(train, own) for own in GRID}
    best = max(tried, key=lambda own: tried[own])
    scores = recall(train, Photos.read(pairs, "test"), best)
    told: dict[str, Any] = {
        "chosen": asdict(best),
        "held_out": [{**asdict(own), "times_chance": value} for own, value in tried.items()],
        "test": scores,
        "times_chance": times_chance(scores),
    }
    write_json(result, told)
    return told


def paragraph(told: dict[str, Any]) -> str:
    """What the page says of the reference."""
    chosen = told["chosen"]
    same = {
        own["centred"]: own["times_chance"]
        for own in told["held_out"]
        if all(own[key] == chosen[key] for key in ("rare", "penalty"))
    }
    ways = [f"{100 * told['test'][way]['recall@10']:.1f}" for way in WAYS]
    return (
        "**Reference without a text encoder.** A ridge regression from the words of a caption to "
        f"the feature of its photo, in closed form (`bench/pairs_words.py`), reaches {ways[0]} "
        f"from image to text and {ways[1]} from text to image on the test photos: "
        f"{told['times_chance']:.1f} times chance. On held-out fifths of the training photos, on "
        f"which it was chosen, it reaches {same[True]:.1f} times chance where the mean feature of "
        f"the training photos is subtracted from all of them, and {same[False]:.1f} where not."
    )


def main() -> None:
    """Measure it."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("pairs", type=Path)
    given.add_argument("result", type=Path)
    settings = given.parse_args()
    print(paragraph(reference(settings.pairs, settings.result)))


if __name__ == "__main__":
    main()
