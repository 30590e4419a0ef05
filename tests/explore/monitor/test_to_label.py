"""Which images to label: strata, counts, and a draw that gives the accuracy without bias."""

import csv
import io

import numpy as np
import pytest

from adapt.evaluation.unlabelled.labelling import allocate, strata_of, stratified_accuracy
from adapt.explore.monitor.seen import Seen
from adapt.explore.monitor.to_label import to_label


def seen_of(images: int, seed: int = 0) -> Seen:
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet([3.0, 1.0], images)
    names, rows = [f"{n}.png" for n in range(images)], np.arange(3)
    unknown = np.zeros(images, bool)
    features = np.zeros((3, 2), np.float32)
    return Seen(names, np.arange(images), probabilities, unknown, rows, features)


def test_the_draw_gives_the_accuracy() -> None:
    seen, generator = seen_of(1000), np.random.default_rng(1)
    right = generator.random(1000) < seen.confidences
    estimates = []
    for seed in range(200):
        content, table = to_label(seen, ["a", "b"], float(right.mean()), 0.05, seed)
        rows = list(csv.DictReader(io.StringIO(table)))
        strata = [int(row["stratum"]) for row in rows]
        answered = [bool(right[int(row["path"].removesuffix(".png"))]) for row in rows]
        sizes = [each["images"] for each in content["strata"]]
        estimates.append(stratified_accuracy(answered, strata, sizes)[0])
    assert np.mean(estimates) == pytest.approx(right.mean(), abs=0.005)
    assert 1.96 * np.std(estimates) == pytest.approx(0.05, abs=0.012)


def test_counts_and_columns() -> None:
    seen = seen_of(400)
    content, table = to_label(seen, ["a", "b"], 0.7, 0.08)
    strata = strata_of(seen.confidences)
    sizes = np.bincount(strata)
    means = np.array([seen.confidences[strata == place].mean() for place in range(5)])
    expected = np.clip(means + 0.7 - seen.confidences.mean(), 0, 1)
    counts = allocate(sizes, expected, 0.08)
    assert [each["to_label"] for each in content["strata"]] == counts.tolist()
    lines = table.splitlines()
    assert lines[0] == "path,label,stratum,predicted,confidence"
    assert len(lines) - 1 == content["images"] == counts.sum() < content["at_random"] + 5
    assert len({line.split(",")[0] for line in lines[1:]}) == counts.sum()
