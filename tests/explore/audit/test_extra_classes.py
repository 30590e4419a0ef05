"""Who is answered with further classes, against a count and scipy."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from adapt.data.labels.classes import ClassName
from adapt.data.sources.tables import from_frame
from adapt.errors import DataError, RecipeError
from adapt.explore.audit.extra_classes import (
    ANY,
    answers_with,
    check_texts,
    extra_rates,
    read_extra,
)
from adapt.explore.audit.result import audit
from adapt.explore.audit.settings import AuditSettings
from adapt.models.templates import resolve_templates
from tests.helpers.tiny import CLASSES, draw_folder, tiny_classifier


def test_rates_and_tests_of_every_word() -> None:
    random = np.random.default_rng(0)
    groups = random.choice(["a", "b", "c"], 400, p=[0.5, 0.48, 0.02])
    chance = np.where(groups == "b", 0.3, 0.05)
    answers = np.where(random.uniform(size=400) < chance, "first", "cat").astype(object)
    answers[:20] = "second"
    settings = AuditSettings()
    rows, told = extra_rates(
        {"model": answers.tolist()}, {"x": groups.tolist()}, ["first", "second"], settings
    )
    p_values, tested = [], []
    for row in rows["x"]:
        own = groups == row["group"]
        kinds = ["first", "second"] if row["class"] == ANY else [row["class"]]
        hit = np.isin(answers, kinds)
        assert row["model"]["value"] == hit[own].mean()
        assert row["small"] == (own.sum() < 20)
        if row["gap"] is None:
            continue
        table = [[(hit & part).sum(), (~hit & part).sum()] for part in (own, ~own)]
        p_values.append(scipy.stats.fisher_exact(table)[1])
        tested.append(row["gap"])
    assert [gap["p"] for gap in tested] == pytest.approx(p_values)
    adjusted = scipy.stats.false_discovery_control(p_values)
    assert [gap["p_adjusted"] for gap in tested] == pytest.approx(adjusted.tolist())
    assert told["tests"] == len(p_values) == 6
    assert told["overall"][ANY]["model"]["hits"] == int((answers != "cat").sum())
    first = {row["group"]: row["gap"] for row in rows["x"] if row["class"] == "first"}
    assert first["b"] is not None
    assert first["b"]["clear"]
    assert first["b"]["difference"] > 0.1


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = draw_folder(tmp_path_factory.mktemp("extra") / "photos", dict.fromkeys(CLASSES, 4), 0)
    rows = [
        {"path": str(path), "label": path.parent.name, "site": "ab"[place % 2]}
        for place, path in enumerate(sorted(root.rglob("*.png")))
    ]
    return from_frame(pd.DataFrame(rows), root)


def test_answers_are_those_of_both_encoders(photos: Any) -> None:
    """The cosine with prompts of all classes, computed image by image."""
    model = tiny_classifier()
    extra = [ClassName("word", "first word"), ClassName("own", "own", ("one sentence", "another"))]
    found = answers_with(model, photos, extra)
    templates = resolve_templates(["simple"])
    first = [template.format("first word") for template in templates]
    texts = [*model.prompts, first, ["one sentence", "another"]]
    with torch.no_grad():
        heads = [model.backbone.encode_text(list(own)).mean(0) for own in texts]
        weight = torch.stack([head / head.norm() for head in heads])
        names = [*CLASSES, "word", "own"]
        for row, answer in enumerate(found):
            pixels = model.backbone.preprocessing(photos.open(row))[None]
            scores = model.features(pixels) @ weight.T
            assert names[int(scores.argmax())] == answer


def test_the_whole_way(photos: Any, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# placeholders\nword one\nword two  # the second\n\n", encoding="utf-8")
    settings = AuditSettings(min_images=3, extra_classes=str(words))
    done = audit(tiny_classifier(), photos, ["site"], settings, ["extra > 101", "extra_above > 9"])
    assert done.content["extra"]["classes"] == ["word one", "word two"]
    rows = done.content["columns"]["site"]["extra"]
    assert [(row["class"], row["group"]) for row in rows] == [
        (name, group) for name in ("word one", "word two", ANY) for group in "ab"
    ]
    assert not done.failed
    assert "Further classes by site" in done.write(tmp_path / "out").read_text("utf-8")
    plain = AuditSettings(min_images=3)
    with pytest.raises(RecipeError, match="there are no further classes"):
        audit(tiny_classifier(), photos, ["site"], plain, ["extra > 1"])
    large = AuditSettings(min_images=1000, extra_classes=str(words))
    with pytest.raises(RecipeError, match="or no group is large enough to be judged"):
        audit(tiny_classifier(), photos, ["site"], large, ["extra > 1"])


def test_files_of_words(tmp_path: Path) -> None:
    table = tmp_path / "words.yaml"
    table.write_text("w1: word one\nw2: {words: word two, prompts: [a sentence]}\n")
    assert [name.key for name in read_extra(table)] == ["w1", "w2"]
    assert read_extra(table)[1].prompts == ("a sentence",)
    empty = tmp_path / "none.txt"
    empty.write_text("# nothing\n")
    with pytest.raises(DataError, match="no classes"):
        read_extra(empty)
    with pytest.raises(DataError, match="cannot be read"):
        read_extra(tmp_path / "gone.txt")


def test_what_is_refused(photos: Any) -> None:
    model = tiny_classifier()
    with pytest.raises(RecipeError, match="--extra-classes - the model has this class already"):
        answers_with(model, photos, [ClassName("red_circle", "red circle")])
    with pytest.raises(RecipeError, match="an export has no text encoder"):
        check_texts(object(), "a folder")  # type: ignore[arg-type]
    model.backbone.spec = model.backbone.spec.__class__(
        **{**vars(model.backbone.spec), "arch": "timm/resnet18"}
    )
    with pytest.raises(RecipeError, match="timm/resnet18 has no text encoder"):
        check_texts(model, "a bundle")
