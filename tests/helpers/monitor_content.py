"""The content of `monitor.json`, with numbers that are known."""

from typing import Any


def monitor_content(**changes: Any) -> dict[str, Any]:
    """A new place with drift, a line and an alarm.

    Args:
        changes: Parts to replace.
    """
    titles = {"doc": "difference of confidences (DoC)", "mean": "mean"}
    content: dict[str, Any] = {
        "format": 1,
        "adapt": "0",
        "model": "run/model",
        "source": "photos <b>",
        "skipped": {},
        "images": 400,
        "errors": {"empty file": 2},
        "reference": {"source": "val", "images": 200, "kept": 200},
        "accuracy": {
            "estimate": 0.82,
            "ci": [0.74, 0.9],
            "estimator": "mean",
            "limit": 0.85,
            "reference": 0.93,
            "reference_ci": [0.89, 0.96],
            "estimators": {
                "doc": {"title": titles["doc"], "accuracy": 0.8},
                "mean": {"title": titles["mean"], "accuracy": 0.82},
                "agreement": {"title": "agreement", "accuracy": None},
            },
            "reason": None,
        },
        "along": {
            "shipped": 0.5,
            "best": 0.0,
            "points": [
                {"alpha": 0.0, "reference": 0.9, "estimate": 0.86},
                {"alpha": 0.5, "reference": 0.93, "estimate": 0.82},
            ],
        },
        "drift": {
            "level": 0.05, "reference": 200, "new": 400, "p": 0.001, "mmd": 0.02, "drifted": True,
            "reason": None,
        },
        "mix": {
            "classes": [
                {
                    "name": name, "reference": 0.5, "predicted": share,
                    "mlls": {"share": share, "ci": [share - 0.05, share + 0.05]},
                    "bbse": {"share": share, "ci": [share - 0.1, share + 0.1]},
                }
                for name, share in {"cat": 0.8, "dog": 0.2}.items()
            ],
            "moved": 0.3,
            "changed": ["cat", "dog"],
        },
        "unknown": {
            "detector": "energy", "limit": None, "expected": 0.05, "share": 0.125,
            "ci": [0.1, 0.16], "reason": None,
        },
        "unsure": {"below": 0.5, "share": 0.2, "ci": [0.16, 0.24], "expected": 0.05},
        "confidences": {"reference": [0.0] * 15 + [0.2] * 5, "new": [0.05] * 20},
        "to_label": {
            "width": 0.05, "images": 180, "at_random": 190,
            "strata": [
                {"images": 200, "to_label": 120, "expected": 0.7},
                {"images": 200, "to_label": 60, "expected": 0.94},
            ],
        },
        "alarms": ["the estimated accuracy is too low: 82.0 %, limit 85 %"],
    }  # fmt: skip
    return content | changes
