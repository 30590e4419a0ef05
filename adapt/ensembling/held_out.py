"""What every choice is made on: the outputs, at each alpha, for images no weight was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adapt.common.content import content_hashes
from adapt.common.progress import track
from adapt.data.loading.groups import Groups
from adapt.data.shifts.shift import Shift
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.split_names import SPLIT_WORDS
from adapt.ensembling.choose import best_points, choose_alpha, visit_towards
from adapt.ensembling.line import Line
from adapt.ensembling.rules.base import Evidence
from adapt.ensembling.settings import CORRUPTIONS, SEVERITY
from adapt.errors import DataError, RecipeError
from adapt.evaluation.evaluate import Split, sample_of
from adapt.evaluation.judging import Judge, judge_of
from adapt.evaluation.several_labels.calibration import LabelCalibration
from adapt.models.classifier import Classifier
from adapt.training.settings import Runtime

CORRUPTED_IMAGES = 500
"""Most held-out images that are corrupted: the error of an accuracy is at most 2.3 points then."""
DEFAULT_CORRUPTIONS = tuple(Shift(kind, SEVERITY) for kind in CORRUPTIONS)


@dataclass
class HeldOut:
    """Logits of held-out images along the line from the start (alpha 0) to the tuned model (1)."""

    targets: np.ndarray
    """True class numbers, shape (N,); of several labels 0 or 1 for each class, (N, K)."""
    logits: dict[float, np.ndarray]
    """Logits (N, K) at each alpha."""
    corrupted: dict[str, dict[float, np.ndarray]] = field(default_factory=dict)
    """By corruption and alpha: which answers on the corrupted images are right, shape (M,)."""
    sample: np.ndarray | None = None
    """Which of the N images were corrupted, as positions (M,); None for all."""
    groups: np.ndarray | None = None
    """The name of the group of each image, (N,); None where they have none."""
    judge: Judge = field(init=False, repr=False)
    """Says how good answers are."""
    _calibrations: dict[float, LabelCalibration] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        self.judge = judge_of(self.targets)

    def calibration(self, alpha: float) -> LabelCalibration:
        """The calibration under which the images are most likely at an alpha, fitted once."""
        if alpha not in self._calibrations:
            self._calibrations[alpha] = self.judge.calibrate(self.logits[alpha])
        return self._calibrations[alpha]

    def temperature(self, alpha: float) -> float:
        """The temperature of `calibration`."""
        return self.calibration(alpha).temperature

    def losses(self, alpha: float) -> np.ndarray:
        """Negative log-likelihoods (N,) in nats under the calibration that is best at an alpha."""
        return self.judge.losses(self.logits[alpha], self.calibration(alpha))

    def evidence(self) -> Evidence:
        """What a rule may see."""
        accuracy = {alpha: self.judge.quality(logits) for alpha, logits in self.logits.items()}
        corrupted = {
            kind: {alpha: float(right.mean()) for alpha, right in by_alpha.items()}
            for kind, by_alpha in self.corrupted.items()
        }
        errors = {alpha: self._synthetic_error(alpha) for alpha in self.logits}
        losses = {alpha: self.losses(alpha) for alpha in self.logits}
        errors = errors if corrupted else {}
        groups = self._by_group()
        return Evidence(accuracy, len(self.targets), corrupted, errors, losses, groups)

    def _by_group(self) -> dict[str, dict[float, float]]:
        """Accuracy by group and alpha."""
        if self.groups is None:
            return {}
        right = {alpha: self.judge.right(logits) for alpha, logits in self.logits.items()}
        members = {str(name): self.groups == name for name in np.unique(self.groups)}
        return {
            name: {alpha: float(answers[own].mean()) for alpha, answers in right.items()}
            for name, own in members.items()
        }

    def level_with(self, alpha: float) -> list[float]:
        """The alphas whose accuracy (or mAP) the images do not tell from that at `alpha`.

        A difference of at most two standard errors counts as none; for accuracy image by image:
        only images that one of the two answers right and the other does not say anything.
        """
        chosen = self.logits[alpha]
        return [a for a in sorted(self.logits) if self.judge.level(chosen, self.logits[a])]

    def below(self, alpha: float) -> "HeldOut":
        """The points of the line before `alpha`."""
        below = HeldOut(
            self.targets,
            {a: logits for a, logits in self.logits.items() if a < alpha},
            {
                kind: {a: right for a, right in by_alpha.items() if a < alpha}
                for kind, by_alpha in self.corrupted.items()
            },
            self.sample,
            self.groups,
        )
        below._calibrations = self._calibrations
        return below

    def _synthetic_error(self, alpha: float) -> float:
        """Standard error over images of the mean accuracy over each image's versions.

        The versions of an image are right or wrong together: the error is over images.
        """
        clean = self.judge.right(self.logits[alpha])
        clean = clean if self.sample is None else clean[self.sample]
        versions = np.stack([clean, *(by_alpha[alpha] for by_alpha in self.corrupted.values())])
        return float(versions.mean(0).std() / np.sqrt(versions.shape[1]))


@dataclass
class HeldOutSets:
    """Validation images and corruptions of them, for all lines that are judged."""

    clean: Split
    corrupted: list[Split]
    sample: np.ndarray | None = None
    """Which of the clean images were corrupted; None for all."""
    groups: np.ndarray | None = None
    """The name of the group of each clean image; None where they have none."""

    @classmethod
    def read(
        cls,
        start: Classifier,
        val: ImageList,
        runtime: Runtime,
        corruptions: Sequence[Shift] = (),
        groups: str = "",
    ) -> "HeldOutSets":
        """Make the images ready.

        Args:
            start: Whose classes and preprocessing hold.
            val: Held-out images of the training distribution.
            runtime: Workers.
            corruptions: What is done to the images for the rules that look at corruptions; above
                `CORRUPTED_IMAGES` to a fixed sample of them.
            groups: Column of the images whose values make groups with the classes, if any.

        Raises:
            DataError: When val has a class the model does not know, or lacks the column.
        """
        clean, sample = Split.read("val", val, start, runtime), None
        own = Groups.of(val, groups, start.class_names) if groups else None
        named = None if own is None else np.array(own.names)[own.numbers]
        if corruptions and len(val) > CORRUPTED_IMAGES:
            sample = sample_of(clean.pixels.keys, CORRUPTED_IMAGES)
            val = val.subset(sample)
        shifted = {f"{shift.kind}_{shift.severity}": val.with_shift(shift) for shift in corruptions}
        corrupted = [Split.read(name, images, start, runtime) for name, images in shifted.items()]
        return cls(clean, corrupted, sample, named)


@dataclass
class JudgedLine:
    """A line, the held-out images that judge it, and what is known of it so far."""

    line: Line
    sets: HeldOutSets
    held: HeldOut = field(init=False)

    def __post_init__(self) -> None:
        corrupted: dict[str, dict[float, np.ndarray]] = {s.name: {} for s in self.sets.corrupted}
        sets = self.sets
        self.held = HeldOut(sets.clean.targets, {}, corrupted, sets.sample, sets.groups)

    def visit(self, alpha: float) -> None:
        """Run the model at `alpha` over the images."""
        sets = [self.sets.clean, *self.sets.corrupted]
        self.held.logits[alpha], *corrupted = self.line.logits(alpha, sets)
        for split, logits in zip(self.sets.corrupted, corrupted, strict=True):
            self.held.corrupted[split.name][alpha] = judge_of(split.targets).right(logits)

    def visit_all(self, alphas: Sequence[float]) -> HeldOut:
        """Run the models at all these points."""
        for alpha in track(alphas, "points on held-out images"):
            self.visit(alpha)
        return self.held


def in_turn(judged: Sequence[JudgedLine]) -> list[tuple[JudgedLine, JudgedLine]]:
    """Each line and the one that works on its copy of the model afterwards."""
    return list(zip(judged, [*judged[1:], *judged[:1]], strict=True))


def visit_lines(judged: Sequence[JudgedLine], alphas: Sequence[float]) -> HeldOut:
    """Visit all these points of the lines of all folds, one line after the other."""
    for each, following in in_turn(judged):
        each.visit_all(alphas)
        following.line.take_over(each.line)
    return pool([each.held for each in judged])


def search_lines(judged: Sequence[JudgedLine], grid: Sequence[float], rule: str) -> HeldOut:
    """Visit as much of the lines of all folds as the choice needs; see `visit_towards`.

    Args:
        judged: One line, or one of each fold.
        grid: Ascending alphas.
        rule: How alpha is chosen.

    Returns:
        What is known of all folds together, at the points that were visited.
    """

    def visit(alpha: float) -> None:
        for each, following in in_turn(judged):
            each.visit(alpha)
            following.line.take_over(each.line)

    def near() -> set[float]:
        evidence = pool([each.held for each in judged]).evidence()
        return {choose_alpha(evidence, rule), *best_points(evidence, rule)}

    visit_towards(grid, visit, near)
    return pool([each.held for each in judged])


def check_held_out(val: ImageList, evals: Mapping[str, ImageList]) -> None:
    """Refuse a test set in the place of val: what is chosen on it would look better than it is.

    Args:
        val: Images to choose on. A table that calls all of them `test`, or a folder named so, says
            what they are.
        evals: Test sets by name; none of their images may be among those of `val`.

    Raises:
        DataError: Naming the set or the first image that it shares with one.
    """
    advice = "give images that were set aside from the training images"
    words = {Path(val.root).name} if val.splits is None else set(val.splits)
    if all(word.strip().casefold() in SPLIT_WORDS["test"] for word in words):
        raise DataError(f"val - a test set - {val.root} says {', '.join(sorted(words))} - {advice}")
    own = dict(zip(content_hashes(val.paths), val.paths, strict=True))
    for name, images in evals.items():
        shared = [own[key] for key in content_hashes(images.paths) if key in own]
        if shared:
            raise DataError(
                f"{shared[0]} - both in val and in the test set {name!r} - {len(shared)} "
                f"images are - {advice}"
            )


def held_out(
    start: Classifier,
    tuned: Classifier,
    val: ImageList,
    alphas: Sequence[float],
    runtime: Runtime,
    corruptions: Sequence[Shift] = (),
) -> HeldOut:
    """Outputs of the models at these points between two, for held-out images.

    Args:
        start: The model at alpha 0.
        tuned: The model at alpha 1, trained without these images.
        val: The images.
        alphas: Points to visit.
        runtime: Device and batch size.
        corruptions: See `HeldOutSets.read`.

    Raises:
        DataError: When val has a class the model does not know, or an image cannot be read.
    """
    sets = HeldOutSets.read(start, val, runtime, corruptions)
    return JudgedLine(Line(start, tuned, runtime), sets).visit_all(alphas)


def pool(folds: Sequence[HeldOut]) -> HeldOut:
    """The folds of a cross-validation joined: each image with the models that did not see it.

    Raises:
        RecipeError: When there is no fold.
    """
    if not folds:
        raise RecipeError("data.val.folds - nothing to pool - 0 folds - give 2 or more")
    if len(folds) == 1:
        return folds[0]
    first, counts = folds[0], np.cumsum([0, *(len(fold.targets) for fold in folds)])
    samples = [
        start + (np.arange(len(fold.targets)) if fold.sample is None else fold.sample)
        for start, fold in zip(counts.tolist(), folds, strict=False)
    ]

    groups = [fold.groups for fold in folds if fold.groups is not None] or None

    def joined(kind: str, alpha: float) -> np.ndarray:
        return np.concatenate([fold.corrupted[kind][alpha] for fold in folds])

    return HeldOut(
        np.concatenate([fold.targets for fold in folds]),
        {alpha: np.concatenate([fold.logits[alpha] for fold in folds]) for alpha in first.logits},
        {
            kind: {a: joined(kind, a) for a in by_alpha}
            for kind, by_alpha in first.corrupted.items()
        },
        None if all(fold.sample is None for fold in folds) else np.concatenate(samples),
        None if groups is None else np.concatenate(groups),
    )
