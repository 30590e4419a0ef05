"""Facts of the summary, mistakes and cuts."""

from pathlib import Path

import pytest

from adapt.report.content import MISTAKES_SHOWN, QUARANTINED_SHOWN, build
from adapt.report.record.read import RunRecord
from tests.helpers.report_fixture import changed, make_scores, record, with_probe_shipped


def test_facts_are_the_stored_numbers(run: RunRecord) -> None:
    content = build(run, [])
    results = run.scores["models"]
    accuracy, shifts, *_ = content.front.facts
    test = results["ensemble"]["test"]
    assert accuracy.value == f"{100 * test['accuracy']:.1f} %"
    change = test["accuracy"] - results["zero_shot"]["test"]["accuracy"]
    assert accuracy.note == f"{100 * change:+.1f} from zero-shot"
    assert shifts.label == "mean of 5 shifts"
    settings = {fact.label: (fact.value, fact.note) for fact in content.settings}
    error = f"{test['ece']:.3f}", "up to 0.060 by chance alone"
    assert settings["calibration error on test"] == error
    assert settings["alpha"] == ("0.4", "of the mixed model, chosen on val, rule val")
    assert settings["trained parameters"] == ("589,824", "0.39 % of the model")
    assert settings["training time"] == ("5.2 min", "6.7 min in all")


def test_where_the_probe_ships_nothing_of_the_method_does(run: RunRecord) -> None:
    content = build(with_probe_shipped(run), [])
    settings = {fact.label: (fact.value, fact.note) for fact in content.settings}
    assert settings["shipped model"] == (
        "mixed probe",
        "a linear probe mixed with zero-shot, a head on the unchanged encoders",
    )
    assert settings["alpha"] == ("0.9", "of the mixed probe, chosen on val, rule val")
    assert settings["method"] == ("lora", "trained, not shipped")
    assert settings["trained parameters"] == ("589,824", "0.39 % of the model, not shipped")
    assert ", lora (not shipped), 4 classes" in content.subtitle
    at_zero_shot = build(changed(run, "scores", alpha=0.0), [])
    settings = {fact.label: (fact.value, fact.note) for fact in at_zero_shot.settings}
    assert settings["shipped model"] == ("zero-shot", "alpha 0 of the mixed model")
    assert settings["method"] == ("lora", "trained, not shipped")


def test_what_was_not_measured_is_no_number() -> None:
    scores = make_scores(shifts=0) | {"alpha": None, "trainable": {}}
    content = build(record(scores), [])
    assert [fact.label for fact in content.front.facts] == ["accuracy on test"]
    shown = {fact.label for fact in content.settings}
    assert not shown & {"alpha", "trained parameters", "training time"}
    assert "mean of" not in content.front.headline


def test_everything_absent_is_named_once_in_one_line(run: RunRecord) -> None:
    content = build(record(make_scores(shifts=0)))
    line = content.not_measured
    for file in ("curve.json", "reliability.json", "confusion.csv", "environment.json"):
        assert line.count(f"({run.reason(file)[: len(file)]}") == 1
    assert "Synthetic shifts by kind and severity (no synthetic shift was evaluated: add" in line
    assert line.endswith(").")
    assert "mistakes.json" in line
    assert "n/a" not in line
    assert {"reliability", "confusion", "learning"}.isdisjoint(
        part.id for part in content.sections
    ), "sections of which everything is absent are left out"


def test_the_title_is_the_name_that_the_user_gave(run: RunRecord) -> None:
    named = build(changed(run, "scores", title="cats of Berlin", name="run-7", recipe="own"), [])
    assert named.name == "cats of Berlin"
    assert named.subtitle.endswith(", recipe own, run run-7")
    shipped = build(changed(run, "scores", name="run-7", recipe="quickstart"), [])
    assert shipped.name == "run-7"
    assert shipped.subtitle.endswith(", recipe quickstart")


def test_warnings_are_not_findings(run: RunRecord) -> None:
    leak = {"test": {"leaked": 1, "images": 9, "accuracy": 0.5, "leak_free_accuracy": 0.4}}
    content = build(changed(run, "scores", leak_free=leak), [])
    assert content.warnings[0].startswith("1 of 9 images of test have a copy in train or val")
    assert not any("copy in train" in sentence for sentence in content.findings)


def test_long_lists_are_cut_and_counted(run: RunRecord) -> None:
    many = [{"path": "x", "reason": "y"}] * (QUARANTINED_SHOWN + 3)
    content = build(changed(run, "scores", quarantined=many), [])
    assert len(content.quarantined) == QUARANTINED_SHOWN
    assert content.quarantined_in_all == QUARANTINED_SHOWN + 3
    mistakes = build(record(make_scores(), mistakes=[{"path": "x"}] * 30), [])
    assert (len(mistakes.mistakes), mistakes.mistakes_in_all) == (MISTAKES_SHOWN, 30)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("", "n/a: no thumbnail stored"),
        ("../secret.png", "n/a: not an image of this run"),
        ("a.txt", "n/a: not an image of this run"),
        ("a.png", "n/a: the thumbnail is absent"),
    ],
)
def test_a_thumbnail_that_cannot_be_shown_says_why(name: str, missing: str) -> None:
    run = record(make_scores(), mistakes=[{"path": "x", "thumbnail": name}])
    (mistake,) = build(run, []).mistakes
    assert (mistake.image, mistake.thumbnail, mistake.missing) == (None, "", missing)
    assert Path(run.folder).name == "run"
