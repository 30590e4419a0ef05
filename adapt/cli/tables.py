"""The tables that commands print."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from adapt.ensembling.soups import SoupReport


def score_table(scores: dict[str, Any]) -> Table:
    """Accuracy of every model on every set, in percent."""
    models = scores["models"]
    evals = list(models["zero_shot"])
    table = Table(title=f"accuracy in %, alpha {scores['alpha']:g}")
    table.add_column("model")
    for name in evals:
        table.add_column(f"{name} (used to choose)" if name == "val" else name, justify="right")
    for model, row in models.items():
        cells = [row.get(name, {}).get("accuracy") for name in evals]
        table.add_row(model, *("n/a" if cell is None else f"{100 * cell:.1f}" for cell in cells))
    return table


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
