"""What to do next: the most urgent first, and always how to use the model."""

import pytest

from adapt.report.front.next_steps import MOST, next_steps
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import changed, make_guard, make_scores, record, small_scores

USE = "Use it: `adapt predict run/model PHOTOS`, or `adapt serve run/model`."


def clean(run: RunRecord) -> RunRecord:
    """The run where nothing is urgent."""
    models = run.scores["models"]
    models = {name: own for name, own in models.items() if name != "linear_probe"}
    rows = [{**row, "recall": "0.9"} for row in run.per_class or []]
    own = changed(run, "scores", models=models, guard=make_guard(against={}))
    return type(own)(**{**vars(own), "per_class": rows})


def test_where_nothing_is_urgent_the_model_is_used(run: RunRecord) -> None:
    assert next_steps(clean(run)) == [USE]


@pytest.mark.parametrize(
    ("parts", "start"),
    [
        ({"leak_free": {"test": {}}}, "Take the images of test that also stand in train or val"),
        ({"shipped": "zero_shot"}, "Training brought nothing on held-out images"),
        ({"ship": {"candidate": "mixed", "too_small": "Val is too small."}}, "Val is too small."),
        (
            {"guard": make_guard(against={"linear_probe": {"ci": [-0.2, -0.1]}})},
            "A linear probe on frozen features is ahead:",
        ),
    ],
)
def test_what_is_urgent_comes_first(run: RunRecord, parts: dict[str, object], start: str) -> None:
    steps = next_steps(changed(clean(run), "scores", **parts))
    assert steps[0].startswith(start)
    assert steps[-1] == USE


def test_a_loss_on_shifts_names_a_smaller_alpha() -> None:
    steps = next_steps(record(small_scores(0.6, 0.7, (0.5, 0.4))))
    assert steps[0] == (
        "10.0 points were lost on sketch: a smaller alpha keeps more of zero-shot "
        "(`adapt mix RUN --alpha 0.25 --out MODEL`)."
    )


def test_without_a_shift_it_says_how_to_add_one() -> None:
    assert next_steps(record(small_scores(0.6, 0.7, None)))[0].startswith(
        "Robustness was not measured. To measure it, add `evals.NAME=FOLDER`"
    )


def test_a_weak_class_is_named_and_there_are_never_many(run: RunRecord) -> None:
    rows = [
        {"eval": "test", "class": name, "n": "5", "model": model, "recall": "0.2"}
        for name in ("cat", "dog")
        for model in ("zero_shot", "ensemble")
    ]
    own = record(small_scores(0.6, 0.7, (0.5, 0.51)), per_class=rows)
    assert "images of cat (20.0 % recognised)" in next_steps(own)[0]
    everything = make_scores(0) | {
        "leak_free": {"test": {}},
        "ship": {"candidate": "mixed", "too_small": "Val is too small."},
        "guard": make_guard(against={"linear_probe": {"ci": [-0.2, -0.1]}}),
    }
    steps = next_steps(record(everything, per_class=rows))
    assert len(steps) == MOST
    assert steps[-1] == USE
