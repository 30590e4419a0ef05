"""The best worst group, against numpy, and where there are no groups."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.data.sources.tables import from_frame
from adapt.ensembling.choose import can_search, choose_alpha, possible_rules
from adapt.ensembling.held_out import HeldOut, HeldOutSets, JudgedLine, pool
from adapt.ensembling.line import Line
from adapt.ensembling.rules.base import Evidence
from adapt.ensembling.settings import Ensemble
from adapt.errors import DataError, RecipeError
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, draw_folder, moved, tiny_classifier

ACCURACY = st.floats(0, 1, allow_nan=False)


@given(rows=st.lists(st.tuples(ACCURACY, ACCURACY, ACCURACY), min_size=2, max_size=8))
def test_against_numpy(rows: list[tuple[float, float, float]]) -> None:
    values = np.array(rows)
    grid = [i / 10 for i in range(len(rows))]
    by_group = {
        name: dict(zip(grid, column, strict=True))
        for name, column in zip("abc", values.T.tolist(), strict=True)
    }
    evidence = Evidence(dict.fromkeys(grid, 0.5), 50, by_group=by_group)
    worst = values.min(1)
    chosen = grid.index(choose_alpha(evidence, "worst_group"))
    assert worst[chosen] == worst.max()
    assert (worst[:chosen] < worst.max()).all()


def test_it_is_refused_without_groups() -> None:
    evidence = Evidence({0.0: 0.5, 1.0: 0.7}, 10)
    with pytest.raises(RecipeError, match=r"ensemble\.groups - no groups - the held-out images"):
        choose_alpha(evidence, "worst_group")
    assert "worst_group" not in possible_rules(evidence)
    assert not can_search("worst_group")
    with pytest.raises(ValueError, match="groups - missing - the rule worst_group looks at"):
        Ensemble(rule="worst_group")
    assert Ensemble(rule="worst_group", groups="site").groups == "site"


def test_accuracies_of_groups_along_a_line(tmp_path: Path) -> None:
    root = draw_folder(tmp_path / "val", dict.fromkeys(CLASSES, 6), 0)
    rows = [
        {"path": str(path), "label": path.parent.name, "site": "ab"[place % 2]}
        for place, path in enumerate(sorted(root.rglob("*.png")))
    ]
    val, start = from_frame(pd.DataFrame(rows), root), tiny_classifier()
    sets = HeldOutSets.read(start, val, Runtime(accelerator="cpu"), groups="site")
    line = Line(start, moved(start), Runtime(accelerator="cpu"))
    held = JudgedLine(line, sets).visit_all([0.0, 0.5, 1.0])
    evidence = held.evidence()
    assert len(evidence.by_group) == 6
    for alpha, logits in held.logits.items():
        right = logits.argmax(1) == held.targets
        for name, accuracies in evidence.by_group.items():
            label, site = name.split(", ")
            own = (np.array(val.labels) == label) & (np.array(val.columns["site"]) == site)
            assert accuracies[alpha] == right[own].mean()
    assert "worst_group" in possible_rules(evidence)
    assert held.below(1.0).evidence().by_group["blue_square, a"].keys() == {0.0, 0.5}
    both = pool([held, held])
    assert both.evidence().by_group == evidence.by_group
    with pytest.raises(DataError, match="no such column"):
        HeldOutSets.read(start, val, Runtime(accelerator="cpu"), groups="sight")


def test_held_out_images_without_groups_have_no_such_evidence() -> None:
    held = HeldOut(np.array([0, 1]), {0.0: np.eye(2)})
    assert held.evidence().by_group == {}
