"""The page of `adapt why`."""

import copy
from typing import Any

from adapt.report.explore.why import explained, render_page, sanity, verdict

ENTRY = {"row": 3, "path": "cat/<b>.png", "label": "cat", "change": -0.2, "refitted": -0.5}
TOLD: dict[str, Any] = {
    "image": "/photos/a.png",
    "answer": {"class": "cat", "probability": 0.7, "logit": 2.0},
    "rival": {"class": "dog", "probability": 0.2, "logit": 1.0},
    "probabilities": {"cat": 0.7, "dog": 0.2},
    "training": {
        "images": 9,
        "nearest": {
            "answer": [{"row": 3, "path": "cat/<b>.png", "label": "cat", "cosine": 0.5}],
            "rival": [{"row": 4, "path": "dog/c.png", "label": "dog", "cosine": 0.75}],
        },
        "probe": {"C": 1.0, "margin": 1.25, "agrees": True, "agreement": 0.9},
        "pulls": {"answer": [ENTRY], "rival": []},
    },
    "regions": {"grad_cam": {"map": [[0.0]], "randomised": 0.1}, "rollout": "no rollout"},
    "words": [{"class_name": "cat", "word": "cat", "prompts": 2, "change": -1.5}],
}


def test_the_verdict_names_what_pulls() -> None:
    sentences = verdict(TOLD)
    assert sentences[0] == "cat with 70.0 %, against dog with 20.0 %."
    assert "is of dog (cosine 0.50 for cat, 0.75 for dog)" in sentences[1]
    assert "a probe's lead of cat over dog in logits, +1.25, changes by -0.50" in sentences[-1]


def test_a_probe_that_disagrees_is_named() -> None:
    told = copy.deepcopy(TOLD)
    told["training"]["probe"]["agrees"] = False
    assert any("answers otherwise" in sentence for sentence in verdict(told))


def test_a_training_image_is_said_to_be_its_own_nearest() -> None:
    told = copy.deepcopy(TOLD)
    assert not any("itself a training image" in sentence for sentence in verdict(told))
    told["training"]["nearest"]["rival"][0]["cosine"] = 0.999999
    assert "itself a training image" in verdict(told)[2]


def test_what_was_not_measured_has_its_reason() -> None:
    told = {**TOLD, "training": "none given", "words": "learned", "regions": "not asked"}
    shown = explained(0, told, {})
    assert shown.absent == ["Training images: none given", "Regions: not asked", "Words: learned"]
    assert shown.galleries == []
    assert shown.words is None
    assert len(verdict(told)) == 1


def test_names_are_escaped_and_maps_judged() -> None:
    content = {"adapt": "0", "model": "m", "arch": "v", "training_images": 9, "images": [TOLD]}
    page = render_page(content, {"0/image/": "data:image/jpeg;base64,A"})
    assert "cat/&lt;b&gt;.png" in page
    assert "<b>.png" not in page
    assert sanity(0.1) in page
    assert "no rollout" in page
    assert "-0.50 without it" in page


def test_a_map_that_shows_the_image_is_not_trusted() -> None:
    assert sanity(0.9).startswith("Do not trust it")
    assert "says nothing" in sanity(None)
