"""Names that CLIP cannot read: what is found, what is left alone, and lines to read back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from adapt.checks.findings.finding import LEVELS, Finding
from adapt.checks.findings.names import class_line, is_code, is_no_class, name_findings
from adapt.data.labels.classes import ClassName, default_words, read_classes
from adapt.data.sources.embedded import EMBEDDED
from adapt.errors import DataError


def names(*keys: str) -> list[ClassName]:
    return [ClassName(key, default_words(key)) for key in keys]


def found(*keys: str, **given: Any) -> dict[str, Finding]:
    findings = name_findings(names(*keys), **given)
    assert len({finding.kind for finding in findings}) == len(findings)
    assert all(finding.level in LEVELS for finding in findings)
    json.dumps([finding.details for finding in findings])
    return {finding.kind: finding for finding in findings}


def told(finding: Finding) -> list[str]:
    return [one["name"] for one in finding.details["classes"]]


@pytest.mark.parametrize(
    "key", ["7", "n01440764", "cls_3", "A12", "class-12", "id 5", "x", "007", "!?", "🐶", "", "3.5"]
)
def test_codes_are_unreadable(key: str) -> None:
    finding = found(key, "dog")["unreadable_name"]
    assert told(finding) == [key]
    assert finding.level == "warning"


@pytest.mark.parametrize(
    "key",
    sorted(
        {"dog", "hot_dog", "Boeing 737", "747 jet", "ox", "tv", "café", "猫", "folder", "dog 2"}
        | {"O'Hare", "T-shirt", "Ångström", "new york", "image of a cat", "test tube", "train"}
    ),
)
def test_words_are_readable(key: str) -> None:
    assert not set(found(key, "lamp post")) - {"foreign_name"}


@pytest.mark.parametrize(
    "key",
    sorted(
        {"val", "Test", "testing", ".ipynb_checkpoints", "new folder", "New folder (2)", "untitled"}
        | {"__MACOSX", "tmp", "images", "__pycache__", "data"}
    ),
)
def test_junk_is_no_class(key: str) -> None:
    finding = found(key, "dog")["junk_name"]
    assert told(finding) == [key]
    assert finding.fix == f"rename or delete the folder {key!r}"


def test_a_train_is_junk_beside_other_splits_only() -> None:
    assert "junk_name" not in found("train", "bus")
    assert told(found("train", "bus", "test")["junk_name"]) == ["train", "test"]


def test_a_dog_in_a_hot_dog_is_fine() -> None:
    assert found("dog", "hot_dog", "dog house", "doggy") == {}


def test_equal_names() -> None:
    same = [ClassName("a", "cat"), ClassName("b", "Cat "), ClassName("c", "CAFE\u0301")]
    same += [ClassName("d", "caf\u00e9"), ClassName("e", "owl")]
    findings = {finding.kind: finding for finding in name_findings(same)}
    finding = findings["equal_name"]
    assert [[one["name"] for one in group] for group in finding.details["classes"]] == [
        ["a", "b"],
        ["c", "d"],
    ]
    assert finding.level == "error"
    assert "`b: what the images show`" in finding.fix
    assert "similar_name" not in findings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "cats"),
        ("berry", "berries"),
        ("box", "boxes"),
        ("church", "churches"),
        ("dish", "dishes"),
        ("hotdog", "hot_dog"),
        ("t-shirt", "tshirt"),
        ("the cat", "cat"),
        ("cafe", "café"),
    ],
)
def test_similar_names(one: str, other: str) -> None:
    finding = found(one, other, "lamp")["similar_name"]
    assert [[name["name"] for name in group] for group in finding.details["classes"]] == [
        [one, other]
    ]
    assert finding.level == "warning"


@pytest.mark.parametrize(
    ("one", "other"), [("bus", "bu"), ("gas", "ga"), ("iris", "iri"), ("glass", "glas"), ("7", "8")]
)
def test_these_are_not_similar(one: str, other: str) -> None:
    assert "similar_name" not in found(one, other)


def test_a_number_before_every_name() -> None:
    keys = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    finding = found(*keys)["numbered_name"]
    assert told(finding) == keys
    assert "`001.Black_footed_Albatross: black footed albatross`" in finding.fix
    assert ", and likewise for the other class" in finding.fix
    three = found(*keys, "003.Sooty_Albatross")["numbered_name"]
    assert ", and likewise for the other 2 classes" in three.fix
    assert "numbered_name" not in found(*keys, "dog")


def test_words_that_are_joined() -> None:
    keys = ["GoldenRetriever", "n02099601-golden_cat", "golden.fish"]
    finding = found(*keys, "hot_dog", "Boeing 737", "n01440764")["joined_name"]
    assert told(finding) == keys
    assert "`GoldenRetriever: golden retriever`" in finding.fix
    assert [one["line"].split(": ")[1] for one in finding.details["classes"]] == [
        "golden retriever", "golden cat", "golden fish",
    ]  # fmt: skip
    named = [ClassName("GoldenRetriever", "YouTube dog"), ClassName("cat", "cat")]
    assert not [finding for finding in name_findings(named) if finding.kind == "joined_name"]


def test_notes() -> None:
    findings = found("other", "кошка", "long " * 30, "dog")
    assert told(findings["catch_all_name"]) == ["other"]
    assert told(findings["foreign_name"]) == ["кошка"]
    assert told(findings["long_name"]) == ["long " * 30]
    assert {finding.level for finding in findings.values()} == {"note"}


def test_prompts_of_its_own_make_a_name_readable() -> None:
    key = "n01440764"
    assert name_findings([ClassName(key, key, ("a photo of a tench",))]) == []
    assert name_findings([ClassName(key, key, ("a photo of a {}",))])[0].kind == "unreadable_name"


@pytest.mark.parametrize(
    "key", ["7", "null", "yes", "a: b", "#1", "12_dog", "- x", "1e3", "'q'", "é 3", "a\nb 4"]
)
def test_the_line_can_be_read_back(key: str, tmp_path: Path) -> None:
    file = tmp_path / "classes.yaml"
    line = class_line(ClassName(key, default_words(key)))
    file.write_text(line + "\n", encoding="utf-8")
    assert list(read_classes(file)) == [key]
    assert list(yaml.safe_load(line)) == [key]


@pytest.mark.parametrize("key", ["7", "n01440764", "001.Laysan_Albatross", "cls_3", "12-dog"])
def test_the_suggested_words_have_no_fault(key: str) -> None:
    words = next(iter(yaml.safe_load(class_line(*names(key))).values()))
    assert not is_code(words)
    assert not is_no_class(words)
    assert not any(map(str.isdigit, words))


def test_zero_shot_answers_are_told() -> None:
    keys = ["7", "dog", "owl"]
    targets = np.array([0] * 6 + [1] * 5 + [2] * 4)
    answers = np.array([1, 1, 1, 1, 2, 0, 1, 1, 1, 1, 2, 1, 1, 1, 1])
    findings = found(*keys, zero_shot=np.eye(3)[answers], targets=targets)
    (seven,) = findings["unreadable_name"].details["classes"]
    assert (seven["images"], seven["recall"], seven["answered"]) == (6, 1 / 6, "dog")
    assert "zero-shot recall 17 %" in findings["unreadable_name"].message
    # The owl has too few images for a verdict; the dog is found.
    assert told(findings["unrecognised_class"]) == ["7"]


def test_the_worst_recalls_come_first() -> None:
    targets = np.repeat([0, 1, 2, 3], 20)
    answers = np.where(np.arange(80) % 20 < 3, targets, 3)
    answers[:20] = 3
    finding = found("ant", "bee", "cow", "dog", zero_shot=np.eye(4)[answers], targets=targets)
    assert told(finding["unrecognised_class"]) == ["ant", "bee", "cow"]
    recalls = [one["recall"] for one in finding["unrecognised_class"].details["classes"]]
    assert recalls == [0, 0.15, 0.15]
    assert finding["unrecognised_class"].level == "note"


def test_a_class_without_images_has_no_recall() -> None:
    findings = found("7", "dog", zero_shot=np.eye(2)[[1, 1]], targets=np.array([1, 1]))
    (seven,) = findings["unreadable_name"].details["classes"]
    assert (seven["images"], seven["recall"], seven["answered"]) == (0, None, None)
    assert "recall" not in findings["unreadable_name"].message


def test_equal_text_features() -> None:
    random = np.random.default_rng(0)
    text = random.normal(size=(4, 16))
    text[2] = 3 * text[0] + 0.05 * random.normal(size=16)
    text[3] = text[1] + 0.001 * random.normal(size=16)
    finding = found("ant", "bee", "cow", "dog", text_directions=text)["same_direction"]
    pairs = [[one["name"] for one in pair] for pair in finding.details["classes"]]
    assert pairs == [["bee", "dog"], ["ant", "cow"]]
    for (a, b), cosine in zip([(1, 3), (0, 2)], finding.details["cosines"], strict=True):
        expected = text[a] @ text[b] / np.linalg.norm(text[a]) / np.linalg.norm(text[b])
        assert cosine == pytest.approx(expected)
    assert "same_direction" not in found("ant", "bee", text_directions=np.eye(2) + 0.5)


@pytest.mark.parametrize(
    "given",
    [
        {"zero_shot": np.eye(2)},
        {"zero_shot": np.eye(3), "targets": np.array([0, 1, 2])},
        {"zero_shot": np.eye(2), "targets": np.array([0])},
        {"text_directions": np.eye(3)},
    ],
)
def test_wrong_sizes_are_refused(given: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="class names - sizes differ"):
        name_findings(names("ant", "bee"), **given)


def test_the_shipped_names_have_no_fault() -> None:
    assert (
        name_findings(list(read_classes(EMBEDDED / "pictograms" / "classes.yaml").values())) == []
    )


def test_no_classes_no_findings() -> None:
    assert name_findings([]) == []
