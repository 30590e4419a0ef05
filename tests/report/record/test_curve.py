"""The alpha curve, looked up."""

from adapt.report.record.curve import (
    at_point,
    chosen_alpha,
    curve_points,
    line_model,
    line_ships,
    point_at,
    probe_line,
    rule_choices,
)
from tests.helpers.report_fixture import make_scores, record

POINTS = [
    {"alpha": 1.0, "test": {"accuracy": 0.8}, "a": {"accuracy": 0.4}},
    {"alpha": None, "test": {"accuracy": 0.0}},
    {"alpha": 0.1 + 0.2, "test": {"accuracy": 0.6}, "a": {"accuracy": None}},
]
RULES = {"val": {"alpha": 1}, "x": {}}
RUN = record(make_scores(), curve={"points": POINTS, "chosen": 0.3, "rules": RULES})


def test_points_are_in_order_and_have_an_alpha() -> None:
    assert [point["alpha"] for point in curve_points(RUN)] == [0.1 + 0.2, 1.0]


def test_a_point_is_looked_up_in_spite_of_rounding() -> None:
    assert point_at(RUN, chosen_alpha(RUN)) is POINTS[2]
    assert point_at(RUN, 0.5) == {}
    assert point_at(RUN, None) == {}


def test_a_mean_needs_every_set() -> None:
    assert at_point(POINTS[0], ["test", "a"]) == (0.8 + 0.4) / 2
    assert at_point(POINTS[2], ["test", "a"]) is None


def test_rules_without_an_alpha_are_left_out() -> None:
    assert list(rule_choices(RUN)) == ["val"]
    assert rule_choices(record(make_scores())) == {}


def test_the_line_of_the_probe_takes_the_place_of_the_other_where_it_ships() -> None:
    probe = {"points": POINTS[:1], "chosen": 0.9}
    mixed_ships = record(make_scores(), curve={"points": POINTS, "probe": probe})
    assert probe_line(mixed_ships) is None
    assert (line_model(mixed_ships), line_ships(mixed_ships)) == ("ensemble", True)
    scores = make_scores() | {"shipped": "mixed_probe"}
    scores["models"]["mixed_probe"] = scores["models"]["linear_probe"]
    probe_ships = record(scores, curve=mixed_ships.curve)
    assert (line_model(probe_ships), line_ships(probe_ships)) == ("ensemble", False)
    line = probe_line(probe_ships)
    assert line is not None
    assert (line_model(line), line_ships(line), chosen_alpha(line)) == ("mixed_probe", True, 0.9)
    assert probe_line(record(scores, curve={"points": POINTS})) is None, "a run that stored none"
