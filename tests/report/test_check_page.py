"""The page of a check: each finding once, how to fix it, and nothing that a file name could do."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from adapt.report.check_page import (
    MOST,
    MOST_TOGETHER,
    ExclusionChoice,
    render,
    shown_places,
    verdict,
)
from adapt.report.check_page import write_check_page as write

HOSTILE = '<script>alert("1")</script>.png'
IMAGE = "data:image/jpeg;base64,AAAA"


def place(number: int, path: str = "", split: str = "train") -> dict[str, str]:
    name = path or f"cat/{number}.png"
    return {"split": split, "path": name, "label": "cat", "sha256": f"{number:064x}"}


def finding(kind: str, level: str = "warning", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "level": level,
        "message": f"message of {kind}",
        "fix": f"run `fix {kind}`",
        "places": [[place(1)]],
        "values": [],
        "remove": [],
        "details": {},
    } | more


def content(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "adapt": "0",
        "name": "photos",
        "data": "/data/photos",
        "model": {"arch": "adapt-icons-xs", "pretrained": "embedded", "embedded": True},
        "sets": {"train": {"images": 1200, "readable": 1199, "classes": 2}},
        "classes": ["cat", "dog"],
        "notes": [],
        "findings": list(findings),
        "leak_free": {},
    } | more


class Reader(HTMLParser):
    """Tags with their attributes, and the ids of sections."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_each_finding_is_there_once_with_its_fix() -> None:
    kinds = ["unreadable", "leak", "near_copy"]
    page = render(content(*map(finding, kinds)), {})
    sections = [entry["id"] for entry in Reader(page).all("section")]
    assert [entry for entry in sections if entry in kinds] == kinds
    for kind in kinds:
        assert page.count(f"<code>fix {kind}</code>") == 1


def test_names_of_files_and_classes_are_text() -> None:
    bad = place(1, HOSTILE) | {"label": "<b>cat", "split": "<i>"}
    hostile = finding("suspected_label", places=[[bad]], values=[0.9],
                      details={"suggested": ["<img src=x>"]})  # fmt: skip
    together = finding("leak", message=f"`{HOSTILE}", places=[[bad, bad]])
    page = render(
        content(hostile, together, name=HOSTILE, data=HOSTILE, notes=[HOSTILE], classes=[HOSTILE],
                leak_free={HOSTILE: {"images": 1, "leaked": 1, "accuracy": 1.0,
                                     "leak_free_accuracy": None}}),
        {place(1)["sha256"]: IMAGE},
    )  # fmt: skip
    tags = Reader(page)
    assert not tags.all("script")
    assert not tags.all("i")
    assert {entry["src"] for entry in tags.all("img")} == {IMAGE}
    assert "&lt;script&gt;" in page
    assert "n/a" in page


def test_ticks_save_a_list() -> None:
    """Each image has its line; what `--fix` leaves out is ticked, or kept for the list."""
    blank = finding("blank", places=[[place(1)], [place(2)]])
    choices = {
        ("train", place(1)["path"]): ExclusionChoice("line 1", left_out=True),
        ("train", place(2)["path"]): ExclusionChoice('line "2" <b>', left_out=False),
        ("train", "not/shown.png"): ExclusionChoice("line 3 </script>", left_out=True),
    }
    page = render(content(blank, name="a\nb"), {}, choices)
    boxes = Reader(page).all("input")
    assert [box["data-line"] for box in boxes] == ["line 1", 'line "2" <b>']
    assert ["checked" in box for box in boxes] == [True, False]
    hidden = page.split('id="not-shown">')[1].split("</script>")[0]
    assert json.loads(hidden) == ["line 3 </script>"]
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    (bar,) = Reader(page).all("aside")
    header = str(bar["data-header"])
    assert header.startswith("# Images to leave out, chosen in check.html of a b:")
    assert header.endswith("\n")
    assert header.count("\n") == 1


def test_without_choices_there_is_no_script() -> None:
    page = render(content(finding("blank", places=[[place(1)]])), {})
    assert "<script" not in page
    assert "script-src" not in page


def test_the_page_needs_nothing_beside_it() -> None:
    page = render(content(finding("leak", places=[[place(1), place(2)]])), {})
    urls = [
        value for _, attributes in Reader(page).tags for name, value in attributes.items()
        if name in ("src", "href") and value and not value.startswith(("#", "data:"))
    ]  # fmt: skip
    assert urls == []
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_what_has_no_image_says_why() -> None:
    broken = place(1) | {"error": "empty file"}
    page = render(content(finding("unreadable", places=[[broken]])), {})
    assert '<div class="noimage">empty file</div>' in page


def test_most_images_of_a_finding_are_in_check_json_alone() -> None:
    many = finding("blurred", places=[[place(n)] for n in range(100)])
    shown = [entry for group in shown_places(many) for entry in group]
    assert len(shown) == MOST
    page = render(content(many), {entry["sha256"]: IMAGE for entry in shown})
    assert len(Reader(page).all("img")) == MOST
    assert "76 more are in" in page


def test_large_sets_of_copies_are_cut() -> None:
    large = finding("exact_copy", places=[[place(n) for n in range(50)]] * 10)
    groups = shown_places(large)
    assert {len(group) for group in groups} == {MOST_TOGETHER}
    assert sum(map(len, groups)) <= MOST
    assert "and 44 more" in render(content(large), {})


def test_a_clean_set_says_so_with_counts() -> None:
    page = render(content(), {})
    assert "Clean: nothing is wrong with 1,200 images of 2 classes." in page
    assert not [entry for entry in Reader(page).all("p") if entry.get("class") == "fix"]


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (["error", "note", "note"], "1 error and 2 notes in 1,200 images of 2 classes. Fix"),
        (["warning"], "1 warning in 1,200 images of 2 classes. Look"),
        (["note"], "1 note in 1,200 images of 2 classes. Ready to run"),
    ],
)
def test_the_verdict_counts(levels: list[str], said: str) -> None:
    findings = [finding(f"kind{number}", level) for number, level in enumerate(levels)]
    assert verdict(content(*findings)).startswith(said)


def test_suspected_labels_show_the_other_class_and_how_sure() -> None:
    doubted = finding("suspected_label", places=[[place(1)]], values=[0.87],
                      details={"suggested": ["dog"]})  # fmt: skip
    assert "cat → dog, 87 %" in render(content(doubted), {})


def test_a_table_of_details_is_shown() -> None:
    cat, dog = {"name": "cat", "recall": 0.5}, {"name": "dog", "recall": None}
    for classes in ([cat, dog], [[cat, dog]]):
        given = finding("unreadable_name", places=[], details={"classes": classes})
        page = render(content(given), {})
        cells = re.findall(r"<td>([^<]*)</td>", page[page.index('id="unreadable_name"') :])
        assert cells == ["cat", "50.0 %", "dog", "n/a"]


def test_numbers_of_images_are_drawn_as_bars() -> None:
    details = {"classes": {"owl": 5, "cat": 20}, "needed": {"owl": 3}}
    page = render(content(finding("imbalance", places=[], details=details)), {})
    part = page[page.index('id="imbalance"') :]
    assert re.findall(r"<td>([^<]*)</td>", part) == ["cat", "20", "n/a", "owl", "5", "3"]
    assert re.findall(r"width: ([\d.]+)%", part) == ["100.0", "25.0"]


def test_scores_without_leaks_are_shown() -> None:
    one = {"images": 441, "leaked": 17, "accuracy": 0.694, "leak_free_accuracy": 0.5}
    page = render(content(leak_free={"test": one}), {})
    assert "69.4 %" in page
    assert "50.0 %" in page
    assert ">17<" in page
    page = render(content(leak_free={"test": one | {"leaked": 0}}), {})
    assert (
        "No test image has a copy in train or val. A linear probe fitted on train reaches 69.4 % on"
        in page
    )


def test_the_weak_model_is_named_as_such(tmp_path: Path) -> None:
    strong = {"arch": "ViT-B-32", "pretrained": "openai", "embedded": False}
    assert "stronger CLIP" in write(tmp_path / "a.html", content(), {}).read_text()
    assert "stronger CLIP" not in render(content(model=strong), {})
    assert "No model was used" in render(content(model=None), {})
