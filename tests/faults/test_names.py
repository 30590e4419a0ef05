"""Faults of class and file names: rows F17, F18 and F20."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adapt
from adapt.checks.check import Check
from adapt.data.images import Images
from adapt.data.labels.classes import ClassName, read_classes
from adapt.data.sources.folders import from_folder
from adapt.data.sources.shards import read_class_list
from adapt.data.sources.tables import from_table
from adapt.errors import DataError
from adapt.methods.estimator.classifier import FewShotClassifier
from adapt.models.classifier import Classifier
from tests.helpers.packed import refused
from tests.helpers.planted import draw
from tests.helpers.tiny import VIT, tiny_classifier

NFC, NFD = "Caf\u00e9", "Cafe\u0301"
EQUAL = {
    "case": ("Cat", "cat"),
    "Unicode form": (NFC, NFD),
    "both": (NFC.upper(), NFD),
    "blank at the end": ("cat", "cat "),
    "blanks within": ("hot dog", "hot  dog"),
    "ligature": ("\ufb01sh", "fish"),
    "wide letters": ("\uff43\uff41\uff54", "cat"),
    "sharp s": ("stra\u00dfe", "STRASSE"),
    "a sign that cannot be seen": ("cat", "ca\u200bt"),
}


def entries(tmp_path: Path, names: list[str]) -> dict[str, Any]:
    """Every way in for class names; each is called."""
    features = np.eye(len(names))
    table, words = tmp_path / "labels.csv", tmp_path / "classes.yaml"
    rows = [f'a/{place}.png,"{name}"' for place, name in enumerate(names)]
    table.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    for place in range(len(names)):
        draw(tmp_path / "a" / f"{place}.png", place)
    by_key = {f"{place}": name for place, name in enumerate(names)}
    words.write_text(json.dumps(by_key), encoding="utf-8")
    model = tiny_classifier()
    return {
        "API": lambda: Classifier.from_clip(VIT, "random", names),
        "constructor": lambda: Classifier(model.backbone, model.head, names, [["x"]] * 3),
        "words of the API": lambda: Classifier.from_clip(
            VIT, "random", [ClassName(key, name) for key, name in by_key.items()]
        ),
        "estimator": lambda: FewShotClassifier.from_features(features, "gda").fit(features, names),
        "words of the estimator": lambda: FewShotClassifier(
            text_features=features, method="gda", class_names=by_key
        ).fit(features, list(by_key)),
        "table": lambda: from_table(table),
        "classes of a recipe": lambda: read_classes(words),
        "class list": lambda: read_class_list(names),
    }


@pytest.mark.parametrize("case", EQUAL)
def test_f17_names_equal_after_folding(case: str, tmp_path: Path) -> None:
    """Refused wherever they enter, with both named; nothing is merged by accident."""
    pair = EQUAL[case]
    for way, enter in entries(tmp_path, [pair[0], "fox", pair[1]]).items():
        if case == "blank at the end" and way == "table":
            assert enter().class_names == ["cat", "fox"]  # as in any table
            continue
        if case in ("Unicode form", "blank at the end") and way == "table":
            continue  # one label, in one form
        with pytest.raises(DataError) as caught:
            enter()
        message = str(caught.value)
        assert "two classes have equal" in message, way
        assert message.count(" - ") >= 3
    root = tmp_path / "folders"
    for name in pair:
        draw(root / name / "1.png", 1)
    if len(list(root.iterdir())) == 2:  # some systems have one folder here
        message = refused(from_folder, root)
        assert all(repr(name)[1:-1] in message or ascii(name) in message for name in pair)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("cat", "'cat' is one text - give a list"),
        (["cat", 7], "a class name must be text - 7 is int, number 1"),
        (["cat", None], "a class name must be text - None is NoneType, number 1"),
        (["cat", ""], "a class name is empty - '', number 1"),
        (["cat", " \u200b"], "a class name is empty"),
        (["cat", "caf\udce9"], "a class name is not UTF-8 text - 'caf\\udce9'"),
        (["cat", "a\0b"], "a class name is not UTF-8 text - 'a\\x00b'"),
        (["cat", "cat"], "'cat' and 'cat' are the same - rename or merge them"),
        ({"cat": 1}, "not a list of names - {'cat': 1} is dict"),
        ({"cat"}, "not a list of names - {'cat'} is set"),
        (None, "not a list of names - None is NoneType"),
        ((name for name in ["cat"]), "is generator - give a list"),
    ],
)
def test_names_that_are_none(names: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        Classifier.from_clip(VIT, "random", names)
    assert said in str(caught.value)


def test_names_in_every_kind_of_list() -> None:
    listed = ["cat", "dog"]
    for names in (listed, tuple(listed), np.array(listed), pd.Series(listed)):
        model = Classifier.from_clip(VIT, "random", names)  # type: ignore[arg-type]
        assert model.class_names == ["cat", "dog"]


def test_names_that_the_text_encoder_cuts() -> None:
    """Equal up to the end of its context: then their logits would be equal."""
    long = " ".join(["very"] * 30)
    with pytest.raises(DataError, match=r"the same to the text encoder - .* it reads 16 tokens"):
        Classifier.from_clip(VIT, "random", [f"{long} cat", f"{long} dog", "fox"])
    with pytest.raises(DataError, match="the same to the text encoder"):
        Classifier.from_clip(VIT, "random", ["cat &amp; dog", "cat & dog"])  # it reads HTML
    model = Classifier.from_clip(VIT, "random", [f"cat {long}", f"dog {long}"], ["plain"])
    assert len(model.class_names) == 2


def test_one_text_for_templates() -> None:
    with pytest.raises(ValueError, match=r"model.templates - not a list - 'a \{\}' is one text"):
        Classifier.from_clip(VIT, "random", ["a", "b"], "a {}")  # type: ignore[arg-type]


def test_f18_hidden_files_nested_folders_and_links(tmp_path: Path) -> None:
    root, outside = tmp_path / "photos", tmp_path / "outside"
    for name in ("cat/1.png", "cat/kittens/small/2.png", "dog/1.png"):
        draw(root / name, len(name))
    for name in (".DS_Store", "cat/._1.png", "cat/Thumbs.db", "__MACOSX/cat/1.png", ".git/x.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"junk")
    (root / "cat" / "around").symlink_to(root / "cat")
    (root / "dog" / "itself.png").symlink_to(root / "dog" / "itself.png")
    images = from_folder(root)
    assert images.counts() == {"cat": 2, "dog": 1}
    assert images.notes == [
        "5 junk files or folders skipped: .DS_Store, .git, __MACOSX, cat/._1.png, cat/Thumbs.db",
        "1 images come from nested folders, up to 3 deep",
        "2 links lead in a circle or nowhere: cat/around, dog/itself.png",
    ]
    draw(outside / "secret.png", 9)
    (root / "dog" / "leak").symlink_to(outside)
    message = refused(from_folder, root)
    assert message.startswith(f"{root}/dog/leak - link leaves the root - it leads to {outside}")


NAMES = [
    "<script>alert(1)</script>.png",
    "\"double\" 'single' & `back`.png",
    "line\nend.png",
    "paragraph\u2028end.png",
    "return\rfeed\x0c.png",
    "\x1b[31mred\x07.png",
    "right\u202egnp.left.png",
    "=cmd().png",
    "@sum.png",
    "-1+1.png",
    "a,b;c\td.png",
    "CON.png",
    "trailing .png",
    "\u732b\U0001f408.png",
    "caf\udce9.png",
    "%41 {{x}} $HOME.png",
]
CLASSES = ["<b>cat & 'dog'", "=cmd() fox"]
RECIPE = f"""
version: 1
name: names
model: {{arch: {VIT}, pretrained: random}}
data:
  train: {{kind: folder, root: ROOT/train}}
  val: {{from: train, fraction: 0.2}}
method: {{name: zero_shot}}
ensemble: {{kind: none}}
evals:
  test: {{kind: folder, root: ROOT/test}}
report: {{formats: [html, md]}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


def test_f20_names_with_code_controls_or_other_bytes(
    tmp_path: Path, svg_alone: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such images go through check, run, report and predict like all others."""
    root = tmp_path / "photos"
    for number, (split, label) in enumerate(
        (split, label) for split in ("train", "test") for label in CLASSES
    ):
        for index, name in enumerate(NAMES):
            draw(root / split / label / name, 100 * number + index)
    names = [f"{label}/{name}" for label in CLASSES for name in NAMES]
    _checked(adapt.check(root, model=None, out=tmp_path / "check"), tmp_path / "check")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(root)))
    done = adapt.run(tmp_path / "recipe.yaml", [], tmp_path / "run")
    assert done.scores["quarantined"] == []
    split = json.loads((tmp_path / "run" / "split.json").read_text(encoding="utf-8"))
    rows = [row["path"] for name in ("train", "val") for row in split["splits"][name]]
    assert sorted(rows) == sorted(names)
    for page in (tmp_path / "run").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "<b>cat" not in text
    for table in (tmp_path / "run").rglob("*.csv"):
        with table.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        formulas = [cell for cell in cells if cell[:1] in "=@+-" and cell[:1] and not _number(cell)]
        assert formulas == [], table
    answers = tiny_classifier(names=CLASSES).predict(Images.from_folder(root / "test").paths)
    assert [answer.error for answer in answers] == [None] * len(names)


def _checked(found: Check, out: Path) -> None:
    assert {finding.kind for finding in found.findings} >= {"file_name"}
    assert "unreadable" not in {finding.kind for finding in found.findings}
    (names,) = (one for one in found.findings if one.kind == "file_name")
    problems = names.details["problems"]
    assert problems["holds a line end, control or invisible character"] == 4 * 6
    assert problems["is reserved on Windows"] == 4
    assert problems["is not UTF-8"] == 4
    page = (out / "check.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>cat" not in page
    json.loads((out / "check.json").read_text(encoding="utf-8"))


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_class_folder_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    draw(tmp_path / "photos" / "cat" / "1.png", 1)
    draw(tmp_path / "photos" / "caf\udce9" / "1.png", 2)
    message = refused(from_folder, tmp_path / "photos")
    assert "a class name is not UTF-8 text - 'caf\\udce9'" in message
    assert message.startswith(str(tmp_path / "photos"))
