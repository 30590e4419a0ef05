"""The helpers of bench/peers: no clone of another project and no data is needed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adapt.methods.features.support import Support
from bench.peers import on_images, prediction_sets
from bench.peers.problem import Encoder, Problem, accuracy, held_out
from bench.peers.programs import CLONES, PATCHES, PROGRAMS
from bench.peers.source import Patch, on_cpu, patched, stub, their_code
from bench.peers.table import Key, document, pairs, summary_row


def clone_of(folder: Path, factor: int) -> Path:
    """A project of two files that expects a GPU and loads CLIP."""
    (folder / "part").mkdir(parents=True)
    (folder / "part" / "__init__.py").write_text("")
    (folder / "part" / "numbers.py").write_text(f"FACTOR = {factor}\n")
    (folder / "main.py").write_text(
        "import clip\nfrom part.numbers import FACTOR\n"
        "def double(x):\n    return FACTOR * x.cuda()\n"
    )
    return folder


def test_a_patch_is_made_everywhere_in_its_file_alone() -> None:
    patches = on_cpu("a.py")
    assert patched("a.py", "x.cuda() + y.cuda()", patches) == "x + y"
    assert patched("b.py", "x.cuda()", patches) == "x.cuda()"


def test_a_clone_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.py - text to patch is missing - '\.cuda\(\)'"):
        patched("a.py", "x", on_cpu("a.py"))


def test_two_projects_with_the_same_names_do_not_mix(tmp_path: Path) -> None:
    before, path = set(sys.modules), list(sys.path)
    doubles = []
    for factor in (2, 3):
        clone = clone_of(tmp_path / str(factor), factor)
        with their_code([clone], on_cpu("main.py"), ("clip",)) as take:
            doubles.append(take("main").double)
    assert [float(double(torch.tensor(1.0))) for double in doubles] == [2, 3]
    assert set(sys.modules) == before
    assert sys.path == path


def test_what_was_imported_before_is_there_again(tmp_path: Path) -> None:
    own = sys.modules["json"]
    with their_code([tmp_path], stubs=("json",)) as take:
        assert take("json") is not own
    assert sys.modules["json"] is own


def test_a_stub_has_every_name() -> None:
    assert callable(stub("clip").tokenize)


def test_val_is_eight_of_a_class_but_half_of_it_at_most() -> None:
    targets = torch.tensor([0] * 40 + [1] * 9)
    features = torch.arange(49.0)[:, None]
    val, test = held_out((features, targets))
    assert torch.bincount(val[1]).tolist() == [8, 4]
    assert torch.bincount(test[1]).tolist() == [32, 5]
    rows = torch.cat([val[0], test[0]])[:, 0]
    assert torch.equal(rows.sort().values, torch.arange(49.0))
    assert torch.equal(targets[val[0][:, 0].long()], val[1])


def problem() -> Problem:
    x = F.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    y = torch.tensor([0, 0, 1, 1])
    return Problem("set", 2, 0, Support(x[None], y, 100 * x[:2]), (x, y), (x, y))


def test_a_program_that_trains_in_place_does_not_change_the_draw() -> None:
    own = problem()
    before = own.support.views.clone()
    own.draw[0].zero_()
    Encoder().encode_image(own.support.features).zero_()
    assert torch.equal(own.support.views, before)


def test_val_can_be_cut() -> None:
    assert problem().some_val(1)[1].tolist() == [0, 1]


def test_accuracy_is_in_per_cent() -> None:
    assert accuracy(torch.eye(4), torch.tensor([0, 1, 2, 0])) == 75.0


CELLS = {
    Key("set", 1, 0, "tip_adapter-searched"): {"accuracy": 80.0, "seconds": 9.0},
    Key("set", 1, 0, "tip_adapter"): {"accuracy": 81.0, "seconds": 1.0},
    Key("set", 2, 0, "tip_adapter-searched"): {"accuracy": 90.0, "seconds": 8.0},
    Key("set", 2, 0, "tip_adapter"): {"accuracy": 87.0, "seconds": 2.0},
    Key("set", 2, 1, "tip_adapter"): {"accuracy": 10.0, "seconds": 3.0},
}


def test_both_sides_are_compared_on_the_draws_that_both_have() -> None:
    both = pairs(CELLS, "tip_adapter-searched", "tip_adapter")
    assert {key: len(cells) for key, cells in both.items()} == {("set", 1): 1, ("set", 2): 1}
    row = summary_row(CELLS, PROGRAMS[0])
    assert row[4:] == ["85.00", "84.00", "-1.00", "-3.00 to +1.00", "9.0", "2.0"]


def test_the_page_has_each_program_that_was_run_and_each_patch() -> None:
    patches = {"Tip-Adapter": (Patch("main.py", "a | b\nc", ""),)}
    lines = document(
        CELLS, {"images": [], "sets": []}, {"Tip-Adapter": "abc (2023-05-10)"}, patches, "a machine"
    )
    text = "\n".join(lines)
    assert "| Tip-Adapter: alpha, beta by val, as published | the draw, val | 80.0 |" in text
    assert "| **adapt: tip_adapter** | the draw | 81.0 |" in text
    assert "CLAP" not in text
    assert "| Tip-Adapter | main.py | `a \\| b c` |  |" in text


def test_every_program_has_a_key_of_its_own_and_a_clone_that_is_named() -> None:
    assert len({program.key for program in PROGRAMS}) == len(PROGRAMS)
    assert {program.clone for program in PROGRAMS} - {""} <= set(CLONES)
    assert PATCHES


def test_seeds_of_trainings_are_averaged() -> None:
    seeds = [
        {"start": [(40.0, 0.0)], "theirs": [(50.0, 3.0)] * 3, "ours": [(60.0, 2.0)] * 3},
        {"start": [(40.0, 0.0)], "theirs": [(51.0, 4.0)] * 3, "ours": [(58.0, 1.0)] * 3},
    ]
    assert "| wise-ft, alpha 1 | 50.5 | 4 | 59.0 | 2 |" in on_images.table(seeds)


def test_probabilities_of_the_estimator_are_softmax_of_the_logits() -> None:
    estimator = prediction_sets.Estimator(np.array([[0.0], [np.log(3.0)]]))
    assert estimator.predict_proba(np.array([[1.0]])) == pytest.approx(np.array([[0.25, 0.75]]))


def test_sets_in_words_are_a_table() -> None:
    chosen = prediction_sets.sets_of([["2"], ["0", "1"]], 3)
    assert chosen.tolist() == [[False, False, True], [True, True, False]]
