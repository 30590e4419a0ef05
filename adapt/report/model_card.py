"""The model card: what travels with a model, in the form that the Hugging Face hub reads.

https://huggingface.co/docs/hub/model-cards
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from adapt.report.record.classes import class_recalls
from adapt.report.record.read import RunRecord, read_run
from adapt.report.record.scores import ZERO_SHOT, ScoreTable, mean_of
from adapt.report.record.ship import probe_ships, shipped_in_words, ships_zero_shot
from adapt.report.record.values import mapping
from adapt.report.record.words import count, decimal, percent, short_percent, span
from adapt.report.templating import environment, one_line

LICENCES = {"openai": "mit", "laion": "mit", "datacomp": "mit", "commonpool": "mit"}
"""Of weights, by how open_clip's tag begins; others are not known here."""
EMBEDDED = "apache-2.0"
WEAKEST, PROMPTS_SHOWN = 5, 3


def model_card(
    folder: Path,
    class_names: Sequence[str],
    prompts: Sequence[Sequence[str]],
    base_hash: str,
    fingerprint: str,
) -> str:
    """The card of the model that a run ships, from the files of its folder.

    Args:
        folder: A run folder with `scores.json`.
        class_names: Of the model.
        prompts: Of each class.
        base_hash: SHA-256 of the weights that it started from.
        fingerprint: Hash of the bytes and labels of all images.

    Raises:
        RecipeError: When there is no `scores.json`.
    """
    run = read_run(folder)
    scores = run.scores
    base = mapping(scores.get("model"))
    shown = zip(class_names, prompts, strict=True)
    classes = [(name, list(own[:PROMPTS_SHOWN]), len(own)) for name, own in shown]
    words = {
        "front": _front(scores, base),
        "name": str(scores.get("name") or scores.get("recipe") or "model"),
        "base": base,
        "base_hash": base_hash,
        "licence": licence_of(base),
        "method": str(scores.get("method")),
        "shipped": shipped_in_words(scores),
        "probe": probe_ships(scores),
        "zero_shot": ships_zero_shot(scores),
        "classes": classes,
        "rows": _rows(scores),
        "mean": _mean(scores),
        "weak": _weak(run),
        "several_labels": scores.several_labels,
        "fingerprint": fingerprint,
        "versions": _versions(mapping(run.environment)),
        "recipe": (run.recipe or "").rstrip(),
        **_counts(mapping(scores.get("data"))),
        **_thresholds(mapping(run.uncertainty)),
    }
    return environment().get_template("model_card.md.j2").render(words)


def licence_of(base: Mapping[str, Any]) -> str | None:
    """The licence of the weights, where it is known.

    >>> licence_of({"pretrained": "laion2b_s34b_b79k"}), licence_of({"pretrained": "mine"})
    ('mit', None)
    """
    tag = str(base.get("pretrained"))
    if tag == "embedded":
        return EMBEDDED
    return next((name for start, name in LICENCES.items() if tag.startswith(start)), None)


def _front(scores: ScoreTable, base: Mapping[str, Any]) -> str:
    """The metadata at the top; a name with a line `---` in it would end them."""
    arch = str(base.get("arch"))
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": one_line(name), "type": one_line(name)},
            "metrics": [{"type": scores.measure, "value": round(accuracy, 4)}],
        }
        for name in scores.evals
        if (accuracy := scores.metric(scores.shipped, name)) is not None
    ]
    content: dict[str, Any] = {
        "library_name": "open_clip",
        "pipeline_tag": "image-classification",
        "tags": ["clip", "open_clip", "adapt-clip"],
        "license": licence_of(base) or "other",
    }
    if arch.startswith("hf-hub:"):
        content["base_model"] = arch.removeprefix("hf-hub:")
    content["model-index"] = [{"name": one_line(scores.get("name")), "results": results}]
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)
    return text.rstrip()


def _rows(scores: ScoreTable) -> list[list[str]]:
    return [
        [
            name,
            str(mapping(scores.cards.get(name)).get("n", "")),
            *(_accuracy(scores, model, name) for model in (ZERO_SHOT, scores.shipped)),
        ]
        for name in scores.evals
    ]


def _accuracy(scores: ScoreTable, model: str, name: str) -> str:
    interval = span(scores.bounds(model, name))
    return percent(scores.metric(model, name)) + (f" ({interval})" if interval else "")


def _mean(scores: ScoreTable) -> list[str] | None:
    if len(scores.shifts) < 2:
        return None
    values = [percent(scores.shift_mean(model)) for model in (ZERO_SHOT, scores.shipped)]
    return [mean_of(scores.shifts), "", *values]


def _weak(run: RunRecord) -> list[list[str]]:
    """The classes of lowest recall on the test set."""
    ranked = sorted(class_recalls(run), key=lambda row: (row[3], row[0]))
    return [
        [name, str(images), percent(before), percent(after)]
        for name, images, before, after in ranked[:WEAKEST]
    ]


def _counts(data: Mapping[str, Any]) -> dict[str, str]:
    return {name: count(mapping(data.get(name)).get("n")) for name in ("train", "val")}


def _thresholds(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What the model says beside a label; None where it says nothing."""
    abstention, conformal = mapping(stored.get("abstention")), mapping(stored.get("conformal"))
    return {
        "threshold": decimal(abstention["threshold"]) if abstention else None,
        "coverage": short_percent(abstention.get("coverage")),
        "level": short_percent(conformal["level"]) if conformal else None,
        "knows_unknown": bool(stored.get("unknown")),
    }


def _versions(stored: Mapping[str, Any]) -> str:
    versions = {"adapt": stored.get("adapt"), **mapping(stored.get("packages"))}
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{made}, on {stored.get('device')}" if stored else ""
