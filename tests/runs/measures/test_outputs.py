"""The models of a run, taken from the points of its lines."""

import numpy as np

from adapt.ensembling.candidates import Candidate
from adapt.ensembling.guard import guard
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.wise_ft import Curve
from adapt.runs.measures.outputs import gather_outputs

ALPHAS = (0.0, 0.5, 1.0)


def line(name: str, seed: int, alpha: float) -> tuple[Candidate, Curve]:
    draw = np.random.default_rng(seed)
    targets = np.array([0, 1, 2, 0])
    logits = {a: draw.normal(size=(4, 3)).astype(np.float32) for a in ALPHAS}
    held = HeldOut(targets, logits | {alpha: 9 * np.eye(3, dtype=np.float32)[targets]})
    return Candidate(name, held, guard(held, alpha, list("abc")), 1.0 + seed), Curve()


def test_each_model_is_a_point_of_its_line() -> None:
    mixed, probe = line("mixed", 1, 0.5), line("probe", 2, 0.5)
    outputs = gather_outputs(list("abc"), [], mixed, probe, mixing=True)
    along, beside = mixed[0].held.logits, probe[0].held.logits
    expected = {
        "zero_shot": along[0.0], "adapted": along[1.0], "ensemble": along[0.5],
        "linear_probe": beside[1.0], "mixed_probe": beside[0.5],
    }  # fmt: skip
    assert outputs.logits.keys() == {*expected, "output_ensemble"}
    for model, values in expected.items():
        assert outputs.logits[model]["val"] is values
    assert outputs.temperature["ensemble"] == 2.0
    assert outputs.temperature["mixed_probe"] == 3.0
    assert outputs.temperature["linear_probe"] == outputs.temperature["zero_shot"] == 1.0


def test_without_mixing_the_probe_is_for_comparison_only() -> None:
    mixed, probe = line("mixed", 1, 1.0), line("probe", 2, 1.0)
    outputs = gather_outputs(list("abc"), [], mixed, probe, mixing=False)
    assert set(outputs.logits) == {"zero_shot", "adapted", "ensemble", "linear_probe"}
    assert set(gather_outputs(list("abc"), [], mixed, None, mixing=True).logits) == {
        "zero_shot", "adapted", "ensemble",
    }  # fmt: skip
