"""Test against shifts, over many runs."""

from typing import Any

import pytest

from adapt.report.figures.many_runs.runs import NAMED, runs_figure


def content(places: list[tuple[float, float]], start: tuple[float, float]) -> dict[str, Any]:
    """Runs that go from one start to some places."""

    def own(place: tuple[float, float]) -> dict[str, Any]:
        return {"scores": {"test": place[0]}, "shift_mean": place[1]}

    runs = [
        {"name": f"run {k}", "start": own(start), "shipped": own(place)}
        for k, place in enumerate(places)
    ]
    return {"runs": runs, "test": "test", "shifts": ["a", "b"], "measure": "accuracy"}


def test_every_run_goes_from_its_start_to_what_it_ships() -> None:
    places = [(0.6, 0.5), (0.7, 0.4)]
    shown = runs_figure(content(places, (0.5, 0.45)))
    assert shown is not None
    (axes,) = shown.drawing.axes
    lines = {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in axes.lines}
    assert lines["run 0"] == [places[0]]
    assert lines["run 1"] == [places[1]]
    assert lines["start"] == [(0.5, 0.45)]
    assert "run 1: 70.0 % on test, 40.0 % on the shifts." in shown.alt


@pytest.mark.parametrize("count", [NAMED, NAMED + 3])
def test_many_runs_share_the_last_look(count: int) -> None:
    shown = runs_figure(content([(0.5 + k / 100, 0.4) for k in range(count)], (0.4, 0.4)))
    assert shown is not None
    labels = shown.drawing.axes[0].get_legend_handles_labels()[1]
    more = [] if count == NAMED else [f"{count - NAMED + 1} more"]
    named = NAMED if count == NAMED else NAMED - 1
    assert labels == [*(f"run {k}" for k in range(named)), *more, "start"]


def test_one_place_or_no_shift_is_no_figure() -> None:
    assert runs_figure(content([(0.5, 0.4)], (0.5, 0.4))) is None
    assert runs_figure(content([(0.6, 0.4)], (0.5, 0.4)) | {"shifts": []}) is None
