"""The tables that commands print."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from adapt.report.record.pairs import RECALL, is_pairs
from adapt.report.record.scores import SELECTION, ScoreTable
from adapt.report.record.ship import alpha_of

if TYPE_CHECKING:
    from adapt.ensembling.soups import SoupReport


def score_table(scores: dict[str, Any]) -> Table:
    """Accuracy of every model on every set, in percent, with names and order of the report."""
    stored = ScoreTable(scores)
    evals = list(stored["models"]["zero_shot"])
    table = Table(title="recall at 10 and accuracy in %" if is_pairs(stored) else "accuracy in %")
    table.add_column("model")
    table.add_column("alpha", justify="right")
    for name in evals:
        title = f"{name} (used to choose)" if name == SELECTION else name
        table.add_column(escape(title), justify="right")
    for model in stored.models:
        alpha, row = alpha_of(stored, model), [_main(stored, model, name) for name in evals]
        table.add_row(
            stored.heading(model),
            "" if alpha is None else f"{alpha:g}",
            *("n/a" if value is None else f"{100 * value:.1f}" for value in row),
            style="bold" if model == stored.shipped else None,
        )
    return table


def _main(scores: ScoreTable, model: str, name: str) -> float | None:
    """Recall at 10 on pairs, accuracy elsewhere."""
    recall = scores.metric(model, name, RECALL)
    return scores.metric(model, name) if recall is None else recall


def soup_table(report: "SoupReport", select: str) -> Table:
    """What became of each model of a soup, accuracies in percent."""
    table = Table(title=f"{select} soup on {report.images} val images, accuracy in %")
    for name in ("run", "alone", "in the soup", "reason"):
        table.add_column(name, justify="right" if name == "alone" else "left")
    reasons = {trial.name: trial.reason for trial in report.trials}
    for name in reasons or report.alone:
        kept = "yes" if name in report.chosen else "no"
        table.add_row(
            escape(name), f"{100 * report.alone[name]:.1f}", kept, escape(reasons.get(name, ""))
        )
    return table


def soup_sentence(report: "SoupReport", select: str) -> str:
    """The soup against the best of its models."""
    low, high = report.difference["ci"]
    return (
        f"soup {100 * report.accuracy:.1f}, best single run {100 * report.alone[report.best]:.1f}: "
        f"difference {100 * report.difference['difference']:+.1f} "
        f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f})"
        + (", chosen on these images" if select == "greedy" else "")
    )
