"""Lines with more freedom than one alpha, replayed beside the plain one by `bench.alpha_rules`.

- **half depth**, **by depth**: LiNeS (arXiv:2410.17146): the first block keeps a half, or nothing,
  of its change, and the last keeps all of it, before alpha is chosen.
- **head whole**: the encoders move along the line, the head is that of the tuned model throughout.
- **image alone**: the image encoder moves, everything else stays that of the start.

A line is chosen with alpha on val by the criterion of the default rule. `free` takes the line with
the smallest loss of val at its choice; `careful` leaves the plain line only for one that is clearly
better: by more than a standard error of the difference, image by image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapt.data.sources.image_list import ImageList
from adapt.ensembling.depth import scale_by_depth
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.line import Line, same_encoders
from adapt.ensembling.rules.base import RULES
from adapt.ensembling.settings import Ensemble
from adapt.evaluation.evaluate import Split
from adapt.models.classifier import Classifier
from adapt.training.parameters import in_encoder
from adapt.training.settings import Runtime

PLAIN, FREE, CAREFUL = "plain", "free", "careful"
PREFIX, TARGETS = "lines/", "targets of lines/"
MOST = 500
"""Images of a set that are looked at, drawn at random."""


def _with_head_of(model: Classifier, other: Classifier) -> Classifier:
    made = model.clone()
    made.head = other.clone().head
    made.head_from_text = False
    return made


def _image_alone(start: Classifier, tuned: Classifier) -> Classifier:
    before, after = start.state_dict(), tuned.state_dict()
    made = start.clone()
    made.load_state_dict(
        {name: (after if in_encoder(name, "image") else before)[name] for name in before}
    )
    return made


def ends(start: Classifier, tuned: Classifier) -> dict[str, tuple[Classifier, Classifier]]:
    """The two models that each line goes between."""
    held = _with_head_of(tuned, tuned)
    return {
        PLAIN: (start, tuned),
        "half depth": (start, scale_by_depth(start, tuned, 0.5)),
        "by depth": (start, scale_by_depth(start, tuned, 0.0)),
        "head whole": (_with_head_of(start, tuned), held),
        "image alone": (start, _image_alone(start, tuned)),
    }


def record(
    start: Classifier,
    tuned: Classifier,
    sets: Mapping[str, ImageList],
    alphas: Sequence[float],
    runtime: Runtime,
) -> dict[str, np.ndarray]:
    """Logits (alphas, N, K) of each set along each line; nothing where only heads differ."""
    if same_encoders(start, tuned):
        return {}
    splits = [
        Split.read(name, images.subset(sample(len(images))), start, runtime)
        for name, images in sets.items()
    ]
    stored = {f"{TARGETS}{split.name}": split.targets for split in splits}
    for name, (first, last) in ends(start, tuned).items():
        line = Line(first, last, runtime)
        along = [line.logits(alpha, splits) for alpha in alphas]
        for number, split in enumerate(splits):
            stored[f"{PREFIX}{name}/{split.name}"] = np.stack([own[number] for own in along])
    return stored


def sample(count: int) -> list[int]:
    """At most so many places."""
    order: list[int] = np.random.default_rng(0).permutation(count).tolist()
    return order[:MOST]


@dataclass
class Choice:
    """What a line, or a choice among lines, came to in one run."""

    line: str
    alpha: float
    shifts: float
    test: float


def choices(path: Path, alphas: Sequence[float], size: int, others: set[str]) -> dict[str, Choice]:
    """The choice on each line, and the two choices among them.

    Args:
        path: A stored run.
        alphas: Of its logits.
        size: Images of val that are seen; 0 is all.
        others: Splits that are no shift.

    Returns:
        By name of the line; empty where the run has no lines.
    """
    with np.load(path) as stored:
        names = sorted({key.split("/")[1] for key in stored.files if key.startswith(PREFIX)})
        on_lines: dict[str, tuple[Choice, np.ndarray]] = {}
        for name in names:
            start = f"{PREFIX}{name}/"
            logits = {k[len(start) :]: stored[k] for k in stored.files if k.startswith(start)}
            targets = {split: stored[f"{TARGETS}{split}"] for split in logits}
            on_lines[name] = _chosen(name, logits, targets, alphas, size, others)
    return {name: own for name, (own, _) in on_lines.items()} | _among(on_lines)


def _chosen(
    name: str,
    logits: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    alphas: Sequence[float],
    size: int,
    others: set[str],
) -> tuple[Choice, np.ndarray]:
    """The choice of the default rule on one line, and the loss of each image of val there."""
    count = size or len(targets["val"])
    along = dict(zip(alphas, (own[:count] for own in logits["val"]), strict=True))
    held = HeldOut(targets["val"][:count], along, {}, np.arange(0))
    evidence = held.evidence()
    alpha = RULES.table()[Ensemble().rule].choose(evidence)
    place = list(alphas).index(alpha)
    right = {
        split: 100 * float((own[place].argmax(1) == targets[split]).mean())
        for split, own in logits.items()
    }
    shifts = float(np.mean([value for split, value in right.items() if split not in others]))
    return Choice(name, alpha, shifts, right["test"]), np.asarray(evidence.losses[alpha])


def _among(on_lines: Mapping[str, tuple[Choice, np.ndarray]]) -> dict[str, Choice]:
    if not on_lines:
        return {}
    best = min(on_lines, key=lambda name: on_lines[name][1].mean())
    apart = on_lines[PLAIN][1] - on_lines[best][1]
    clear = apart.mean() > apart.std(ddof=1) / len(apart) ** 0.5
    return {FREE: on_lines[best][0], CAREFUL: on_lines[best if clear else PLAIN][0]}


def table(runs: Sequence[Mapping[str, Choice]]) -> list[str]:
    """Per line the points above the plain one on shifts and on test, their means over runs."""
    lines = ["| line | runs | shifts | test | worst shifts | mean alpha |", "|---|" + "---:|" * 5]
    for name in dict.fromkeys(name for own in runs for name in own):
        pairs = [(own[name], own[PLAIN]) for own in runs if name in own]
        shifts = np.array([a.shifts - b.shifts for a, b in pairs])
        test = np.array([a.test - b.test for a, b in pairs])
        alpha = np.mean([a.alpha for a, _ in pairs])
        cells = [f"{shifts.mean():+.1f}", f"{test.mean():+.1f}", f"{shifts.min():+.1f}"]
        lines.append(f"| {name} | {len(pairs)} | {' | '.join(cells)} | {alpha:.2f} |")
    return lines
