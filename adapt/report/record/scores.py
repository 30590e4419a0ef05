"""The scores of a run, looked up by model and eval."""

from collections import UserDict
from collections.abc import Mapping, Sequence
from typing import Any

from adapt.report.record.values import Interval, interval, mapping, mean, number

SELECTION = "val"
ZERO_SHOT, MIXED, MIXED_PROBE = "zero_shot", "ensemble", "mixed_probe"
MAP = "mAP"
LADDER = (
    "majority",
    "chance",
    ZERO_SHOT,
    "linear_probe",
    MIXED_PROBE,
    "adapted",
    "output_ensemble",
    MIXED,
)
_NAMES = {
    "majority": "majority class",
    ZERO_SHOT: "zero-shot",
    "linear_probe": "linear probe",
    MIXED_PROBE: "mixed probe",
    "output_ensemble": "averaged outputs",
    MIXED: "mixed model",
    "mean_probabilities": "mean of probabilities",
    "mean_logits": "mean of logits",
    "dawin": "DaWin",
}


def model_name(model: str) -> str:
    """What a model is called in text."""
    return _NAMES.get(model, model.replace("_", " "))


def mean_of(names: Sequence[str]) -> str:
    """What the mean over some shifts is called: one shift is its own mean.

    >>> mean_of(["sketch", "fog"]), mean_of(["sketch"])
    ('mean of 2 shifts', 'sketch')
    """
    return names[0] if len(names) == 1 else f"mean of {len(names)} shifts"


def over(names: Sequence[str]) -> str:
    """The same inside a sentence.

    >>> over(["sketch", "fog"]), over(["sketch"])
    ('the mean of 2 shifts', 'sketch')
    """
    return mean_of(names) if len(names) == 1 else f"the {mean_of(names)}"


def named_start(text: str, scores: Mapping[str, Any]) -> str:
    """A text in which the start of a run is called zero-shot only where there is a text encoder.

    >>> named_start("above zero-shot", {"start": "linear_probe"}), named_start("zero-shot", {})
    ('above the linear probe', 'zero-shot')
    """
    if scores.get("start") != "linear_probe":
        return text
    return text.replace("the zero-shot", "zero-shot").replace("zero-shot", "the linear probe")


class ScoreTable(UserDict[str, Any]):
    """The content of `scores.json`; numbers that are missing, null or not finite are None."""

    @property
    def models(self) -> list[str]:
        """The models that were scored, from the simplest baseline up."""
        known = [model for model in LADDER if model in self["models"]]
        return known + [model for model in self["models"] if model not in LADDER]

    @property
    def shipped(self) -> str:
        """The model that the bundle holds: `shipped` where stated, else the last of the ladder."""
        stated = self.get("shipped")
        if stated in self["models"]:
            return str(stated)
        present = [m for m in (MIXED, "adapted", ZERO_SHOT) if m in self["models"]]
        return present[0] if present else ZERO_SHOT

    @property
    def measure(self) -> str:
        """What models are judged by: `accuracy`, or `mAP` where images have several labels."""
        return str(self.get("measure") or "accuracy")

    @property
    def several_labels(self) -> bool:
        """Whether an image may have several labels."""
        return self.measure == MAP

    def heading(self, model: str) -> str:
        """The name of a model, marked when it is the one that ships."""
        return model_name(model) + (" (shipped)" if model == self.shipped else "")

    @property
    def cards(self) -> dict[str, Mapping[str, Any]]:
        """What is stored of the images of every eval."""
        stored = mapping(mapping(self.get("data")).get("evals"))
        return {name: mapping(card) for name, card in stored.items()}

    @property
    def evals(self) -> list[str]:
        """Every scored test set in recipe order, without the selection split."""
        scored = [name for results in self["models"].values() for name in results]
        return [name for name in dict.fromkeys([*self.cards, *scored]) if name != SELECTION]

    @property
    def test(self) -> str | None:
        """The in-distribution test set: the first eval."""
        return next(iter(self.evals), None)

    @property
    def shifts(self) -> list[str]:
        """The evals after the first, where every model that has any shift score has one."""
        later = self.evals[1:]
        scored = [
            {name for name in later if self.metric(model, name) is not None}
            for model in self["models"]
        ]
        scored = [names for names in scored if names]
        return [name for name in later if scored and all(name in names for names in scored)]

    def reason(self, model: str, name: str, key: str = "") -> str:
        """Why a metric is n/a; empty where the run stored no reason."""
        undefined = mapping(self.entry(model, name).get("undefined"))
        return str(undefined.get(key or self.measure) or "")

    def is_synthetic(self, name: str) -> bool:
        """Whether an eval is another one under a corruption."""
        return self.cards.get(name, {}).get("kind") == "synthetic"

    def by_eval(self, stored: object) -> dict[str, Mapping[str, Any]]:
        """A stored object with an entry for each eval, in recipe order."""
        entries = mapping(stored)
        order = [name for name in self.evals if name in entries]
        return {str(name): mapping(entries[name]) for name in dict.fromkeys([*order, *entries])}

    @property
    def train_counts(self) -> list[int]:
        """Training images of each class; empty when they are not stored."""
        card = mapping(mapping(self.get("data")).get("train"))
        counts = [number(count) for count in mapping(card.get("per_class")).values()]
        return [] if None in counts else [int(count or 0) for count in counts]

    def entry(self, model: str, name: str) -> Mapping[str, Any]:
        """The stored metrics of one model on one eval; empty when there are none."""
        return self["models"].get(model, {}).get(name) or {}

    def metric(self, model: str, name: str, key: str = "") -> float | None:
        """One stored metric; `measure` where none is named."""
        return number(self.entry(model, name).get(key or self.measure))

    def bounds(self, model: str, name: str, key: str = "") -> Interval | None:
        """The stored 95 % interval of a metric; of `measure` where none is named."""
        return interval(self.entry(model, name).get(f"{key or self.measure}_ci"))

    def difference(
        self, model: str, name: str, base: str = ZERO_SHOT
    ) -> tuple[float | None, Interval | None]:
        """`measure` of `model` minus `base` on one eval, with the paired interval if stored."""
        stored = (self.entry(model, name).get("difference") or {}).get(self.measure) or {}
        if base == ZERO_SHOT and number(stored.get("difference")) is not None:
            return number(stored["difference"]), interval(stored.get("ci"))
        mine, theirs = self.metric(model, name), self.metric(base, name)
        return (None if mine is None or theirs is None else mine - theirs), None

    def shift_mean(self, model: str, key: str = "") -> float | None:
        """Mean of one metric over the shifts; None without shifts or with one missing."""
        return mean([self.metric(model, name, key) for name in self.shifts])

    def shift_difference(
        self, model: str, base: str = ZERO_SHOT
    ) -> tuple[float | None, Interval | None]:
        """Mean over the shifts of the difference of `measure`, and an interval that is wide enough.

        Shifts may share images, so their errors may be fully correlated. The mean of the bounds
        holds for every correlation: the deviation of a mean is at most the mean of deviations.
        """
        pairs = [self.difference(model, name, base) for name in self.shifts]
        bounds = [bound for _, bound in pairs if bound is not None]
        low, high = (mean([bound[end] for bound in bounds]) for end in (0, 1))
        whole = len(bounds) == len(pairs) and low is not None and high is not None
        return mean([value for value, _ in pairs]), (low, high) if whole else None  # type: ignore[return-value]


def mean_of_shifts(scores: ScoreTable) -> str:
    """The heading of a column with the mean over the shifts."""
    return mean_of(scores.shifts) if scores.shifts else "mean of shifts"
