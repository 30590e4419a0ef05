"""A whole check: planted faults, the cache, the list that fixes them, exit codes, runs."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

import adapt.checks.cache as check_cache
import adapt.checks.check as check_data
import adapt.checks.findings.measure as pictures
from adapt.checks.check import Check, check
from adapt.checks.findings.copies import Copies
from adapt.checks.findings.finding import Place
from adapt.checks.findings.measure import Picture
from adapt.checks.model import View, leak_free
from adapt.checks.quick import ImageHashes, quick_check
from adapt.cli import app as cli
from adapt.data.sources.embedded import EMBEDDED
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, ModelError, RecipeError
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import load
from adapt.runs.measures.scores import SHIPPED, Outputs, leak_free_scores
from tests.helpers.tiny import VIT

RECIPE = """
name: planted
model: {{arch: adapt-icons-xs, pretrained: embedded}}
data:
  train: {{kind: folder, root: {root}/train}}
  val: {{from: train, fraction: 0.25}}
  quarantine_limit: 0.5
  exclude: {exclude}
method: {{name: zero_shot}}
evals:
  test: {{kind: folder, root: {root}/test}}
"""
REMOVED = ("conflicting_label", "unreadable", "leak", "near_leak", "exact_copy", "near_copy",
           "blank")  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def scene(seed: int, size: int = 96) -> Image.Image:
    """Soft coloured shapes; no two seeds look alike."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (6, 6, 3), np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


def draw(path: Path, seed: int, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    scene(seed).save(path, **options)
    return path


def clean(root: Path, train: int = 6, test: int = 3) -> Path:
    """`train` and `test` of two classes without a fault."""
    for place, (split, count) in enumerate((("train", train), ("test", test))):
        for number, label in enumerate(("cat", "dog")):
            for index in range(count):
                seed = 1000 * place + 100 * number + index
                draw(root / split / label / f"{index}.png", seed)
    return root


def planted(root: Path) -> Path:
    """One fault of each kind, each on images of its own."""
    cat, dog, test = (clean(root) / one for one in ("train/cat", "train/dog", "test"))
    (cat / "empty.png").write_bytes(b"")
    whole = draw(cat / "cut.png", 50).read_bytes()
    (cat / "cut.png").write_bytes(whole[: len(whole) // 2])
    scene(51).save(cat / "lies.png", "GIF")
    Image.new("RGB", (96, 96), (200, 190, 180)).save(cat / "blank.png")
    scene(52, 16).save(cat / "tiny.png")
    scene(53).resize((900, 96)).save(cat / "long.png")
    scene(54).point(lambda value: value // 12).save(cat / "dark.png")
    shutil.copy(draw(cat / "same-1.png", 55), cat / "same-2.png")
    shutil.copy(draw(cat / "two.png", 56), dog / "labels.png")
    scene(57).save(cat / "near-1.png")
    scene(57).resize((80, 80), Image.Resampling.LANCZOS).save(cat / "near-2.jpg", quality=85)
    shutil.copy(draw(test / "dog/leaks.png", 58), dog / "leaked.png")
    scene(59).save(test / "dog/near-leaks.png")
    scene(59).save(dog / "near-leaked.jpg", quality=70)
    (root / "train/.DS_Store").write_bytes(b"junk")
    return root


def found_places(found: Check) -> dict[str, set[str]]:
    return {
        one.kind: {f"{place.split}/{place.path}" for group in one.places for place in group}
        for one in found.findings
    }


def test_every_planted_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    found = check(planted(tmp_path / "photos"), model=None)
    places = found_places(found)
    assert places.pop("converted", None) is None
    assert places == {
        "unreadable": {"train/cat/empty.png", "train/cat/cut.png"},
        "wrong_extension": {"train/cat/lies.png"},
        "blank": {"train/cat/blank.png"},
        "tiny": {"train/cat/tiny.png"},
        "extreme_aspect": {"train/cat/long.png"},
        "dark": {"train/cat/dark.png"},
        "exact_copy": {"train/cat/same-1.png", "train/cat/same-2.png"},
        "conflicting_label": {"train/cat/two.png", "train/dog/labels.png"},
        "near_copy": {"train/cat/near-1.png", "train/cat/near-2.jpg"},
        "leak": {"test/dog/leaks.png", "train/dog/leaked.png"},
        "near_leak": {"test/dog/near-leaks.png", "train/dog/near-leaked.jpg"},
    }
    assert [one.level for one in found.findings] == sorted(
        (one.level for one in found.findings), key=["error", "warning", "note"].index
    )
    assert any(".DS_Store" in note for note in found.content["notes"])
    assert all(f"adapt check {tmp_path}/photos" in one.fix
               for one in found.findings if "adapt check" in one.fix)  # fmt: skip


def test_a_clean_set_has_no_finding(tmp_path: Path) -> None:
    found = check(clean(tmp_path / "photos"), model=None)
    assert found.findings == []
    assert found.summary() == "Clean: nothing is wrong with 18 images of 2 classes."
    assert found.content["sets"] == {
        "train": {"images": 12, "readable": 12, "classes": 2},
        "test": {"images": 6, "readable": 6, "classes": 2},
    }


def test_a_class_that_train_lacks_is_an_error(tmp_path: Path) -> None:
    draw(clean(tmp_path / "photos") / "test/cow/1.png", 77)
    [one] = check(tmp_path / "photos", model=None).findings
    assert (one.kind, one.level, one.places[0][0].path) == ("extra_class", "error", "cow/1.png")


def test_the_list_of_fix_fixes_the_recipe(tmp_path: Path) -> None:
    root, listed = planted(tmp_path / "photos"), tmp_path / "quarantine.txt"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(root=root, exclude="null"))
    before = check(recipe, model=None)
    assert set(REMOVED) <= found_places(before).keys()
    with pytest.raises(DataError, match="same image in two classes"):
        build_data(load(str(recipe)).recipe)
    lines = before.write_exclusions(listed)
    recipe.write_text(RECIPE.format(root=root, exclude=listed))
    after = check(recipe, model=None)
    assert not found_places(after).keys() & set(REMOVED)
    assert f"left out by {listed}: {len(lines)} of train" in after.content["notes"]
    data = build_data(load(str(recipe)).recipe)
    kept = {
        Path(path).name for path in [*data.fit.train.paths, *(data.fit.val or data.fit.train).paths]
    }
    assert kept.isdisjoint({"empty.png", "two.png", "labels.png", "leaked.png", "near-leaked.jpg"})
    assert len(kept & {"same-1.png", "same-2.png"}) == 1
    assert data.notes[0] == f"left out by {listed}: {len(lines)} of train"
    assert len(data.evals["test"]) == 8


def test_the_order_of_the_images_changes_nothing(tmp_path: Path) -> None:
    root = planted(tmp_path / "photos")
    sets = {name: from_folder(root / name) for name in ("train", "test")}
    turned = {name: images.subset(range(len(images))[::-1]) for name, images in sets.items()}
    one = check(sets, model=VIT, pretrained="random").content
    shutil.rmtree(tmp_path / "cache")
    other = check(turned, model=VIT, pretrained="random").content
    assert json.dumps(one) == json.dumps(other)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("decoded again")


def test_a_second_call_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = planted(tmp_path / "photos")
    first = check(root, model=VIT, pretrained="random", out=tmp_path / "one")
    monkeypatch.setattr(pictures, "inspect_image", refuse)
    monkeypatch.setattr("adapt.checks.record.open_image", refuse)
    monkeypatch.setattr("adapt.models.backbones.load_backbone", refuse)
    second = check(root, model=VIT, pretrained="random", out=tmp_path / "two")
    assert second == first
    for name in ("check.json", "check.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_moved_folder_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = check(planted(tmp_path / "photos"), model=VIT, pretrained="random")
    shutil.move(tmp_path / "photos", tmp_path / "moved")
    monkeypatch.setattr(pictures, "inspect_image", refuse)
    monkeypatch.setattr("adapt.models.backbones.load_backbone", refuse)
    second = check(tmp_path / "moved", model=VIT, pretrained="random")
    assert [one.places for one in second.findings] == [one.places for one in first.findings]
    assert second.content["leak_free"] == first.content["leak_free"]


def test_only_what_is_new_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = clean(tmp_path / "photos")
    check(root, model=None)
    draw(root / "train/cat/new.png", 99)
    seen: list[str] = []
    real = pictures.inspect_image
    monkeypatch.setattr(pictures, "inspect_image", lambda path: (seen.append(path), real(path))[1])
    check(root, model=None)
    assert [Path(path).name for path in seen] == ["new.png"]


def test_features_are_those_of_the_model(tmp_path: Path) -> None:
    from adapt.models.backbones import load_backbone
    from adapt.training.features.encode import image_features, prepare
    from adapt.training.settings import Runtime

    images = from_folder(clean(tmp_path / "photos") / "train")
    judge = check_data.Model(VIT, "random")
    hashes = check_data.known_hashes(images.paths)
    steps = check_cache.Progress(None)
    found = [check_cache.measured(images.paths, hashes, judge.encoder, steps) for _ in range(2)]
    backbone = load_backbone(VIT, "random")
    expected = image_features(backbone, prepare(images, backbone.preprocessing), Runtime())
    for one in found:
        assert one.features is not None
        np.testing.assert_allclose(one.features, expected.numpy(), atol=1e-5)


def test_a_damaged_cache_is_made_again(tmp_path: Path, own_cache: Path) -> None:
    root = clean(tmp_path / "photos")
    first = check(root, model=VIT, pretrained="random").content
    for path in own_cache.rglob("*.*"):
        if path.is_file():
            path.write_bytes(b"\x00damaged")
    assert check(root, model=VIT, pretrained="random").content == first


def test_labels_that_were_swapped_are_suspected_and_only_listed_on_request(tmp_path: Path) -> None:
    root, known = tmp_path / "photos", EMBEDDED / "pictograms" / "emoji" / "train"
    for label in ("vehicle", "flower"):
        (root / label).mkdir(parents=True)
        for index, path in enumerate(sorted((known / label).iterdir())[:20]):
            shutil.copy(path, root / label / f"{index}.png")
    shutil.move(root / "vehicle/3.png", root / "flower/vehicle-3.png")
    found = check(root)
    [one] = [one for one in found.findings if one.kind == "suspected_label"]
    assert one.places[0][0].path == "flower/vehicle-3.png"
    assert one.details["suggested"][0] == "vehicle"
    listed = tmp_path / "list.txt"
    assert [line.path for line in found.write_exclusions(listed)] == []
    assert "flower/vehicle-3.png" in {
        line.path for line in found.write_exclusions(listed, labels=True)
    }


def view(targets: list[int], splits: list[str], features: np.ndarray, leaks: list[int]) -> View:
    names = ["cat", "dog", "cow"]
    content = np.arange(len(targets))
    for leak in leaks:
        content[leak] = 0
    copies = Copies(content, np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
    places = [
        Place(split, f"{index}.png", names[target])
        for index, (split, target) in enumerate(zip(splits, targets, strict=True))
    ]
    return View(places, [Picture(str(one)) for one in content], features, copies, {})


def test_leak_free_accuracy_is_that_of_a_probe_on_what_is_left() -> None:
    random = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], 40)
    features = random.normal(0, 1, (120, 8)) + 2.5 * np.eye(8)[targets]
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    order = random.permutation(120)
    targets, features = targets[order], features[order]
    splits = ["train"] * 60 + ["test"] * 40 + ["other"] * 20
    leaks = [61, 70, 99]
    found = leak_free(view(targets.tolist(), splits, features, leaks))
    probe = LogisticRegression(C=10.0, max_iter=5000).fit(features[:60], targets[:60])
    right = probe.predict(features) == targets
    clean_rows = [row for row in range(60, 100) if row not in leaks]
    assert found["test"]["leaked"] == 3
    assert found["test"]["accuracy"] == pytest.approx(right[60:100].mean(), abs=0.03)
    assert found["test"]["leak_free_accuracy"] == pytest.approx(right[clean_rows].mean(), abs=0.03)
    assert found["other"]["leaked"] == 0
    assert found["other"]["accuracy"] == found["other"]["leak_free_accuracy"]


def test_names_are_read_and_answered(tmp_path: Path) -> None:
    root = clean(tmp_path / "photos")
    for split in ("train", "test"):
        (root / split / "dog").rename(root / split / "n02084071")
    [alone] = check(root, model=None).findings
    assert (alone.kind, alone.details["classes"][0]["name"]) == ("unreadable_name", "n02084071")
    judged = {one.kind: one for one in check(root, model=VIT, pretrained="random").findings}
    assert judged["unreadable_name"].details["classes"][0]["images"] == 9


def test_leak_free_scores_of_a_run() -> None:
    logits = np.eye(2)[[0, 1, 0, 1]] * 4.0
    targets = np.array([0, 1, 1, 1])
    outputs = Outputs(["a", "b"], {"test": targets}, {SHIPPED: {"test": logits}}, {SHIPPED: 1.0})
    assert leak_free_scores(outputs, {"test": [0, 1]}) == {
        "test": {"images": 4, "leaked": 2, "accuracy": 0.75, "leak_free_accuracy": 0.5}
    }
    assert leak_free_scores(outputs, {"test": [0, 1, 2, 3]})["test"]["leak_free_accuracy"] is None


def run_data(root: Path) -> tuple[RunData, ImageHashes]:
    recipe, glance = root.parent / "recipe.yaml", ImageHashes()
    recipe.write_text(RECIPE.format(root=root, exclude="null"))
    return build_data(load(str(recipe)).recipe, glance.add), glance


def test_a_run_finds_copies_and_leaks_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = planted(tmp_path / "photos")
    (root / "train/dog/labels.png").unlink()
    data, glance = run_data(root)
    read: list[str] = []
    real = pictures.inspect_image
    monkeypatch.setattr(pictures, "inspect_image", lambda path: (read.append(path), real(path))[1])
    quick = quick_check(data, glance, "my recipe.yaml")
    kinds = {one["kind"]: one for one in quick.content["findings"]}
    assert kinds.keys() >= {"leak", "near_leak", "exact_copy"}
    assert {Path(path).name for path in read} == {"near-leaks.png", "near-leaked.jpg"}
    names = [data.evals["test"].relative(row) for row in quick.leaked["test"]]
    assert names == ["dog/leaks.png", "dog/near-leaks.png"]
    assert quick.notes[0].startswith("LEAK: 1 of 8 images of test is")
    assert "adapt check 'my recipe.yaml' --fix" in quick.notes[0]
    quick.write(tmp_path)
    assert json.loads((tmp_path / "check.json").read_text()) == quick.content


def test_a_clean_run_has_no_notes(tmp_path: Path) -> None:
    quick = quick_check(*run_data(clean(tmp_path / "photos")), "recipe.yaml")
    assert (quick.notes, quick.leaked, quick.content["findings"]) == ([], {}, [])


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["adapt", "check", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("plant", "fail_on", "code"),
    [
        (True, "error", 3), (True, "warning", 3), (True, "never", 0),
        (False, "warning", 0), (False, "sometimes", 2),
    ],
)  # fmt: skip
def test_exit_codes(
    plant: bool, fail_on: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root = (planted if plant else clean)(tmp_path / "photos")
    out, listed = tmp_path / "out", tmp_path / "list.txt"
    given = [root, "--model", "none", "--out", out, "--fix", listed, "--fail-on", fail_on]
    assert call(monkeypatch, *given) == code
    said = capsys.readouterr()
    if code != 2:
        assert str(out / "check.html") in said.out
        assert (out / "check.json").is_file()
        assert "\x1b" not in said.out
        assert ("Clean: " in said.out) != plant
        assert said.out.count("fix: ") == len(
            json.loads((out / "check.json").read_text())["findings"]
        )


def test_the_page_goes_beside_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, clean(tmp_path / "my photos"), "--model", "none") == 0
    assert (tmp_path / "check-my-photos" / "check.html").is_file()


def test_a_hostile_file_name_is_shown_as_text(tmp_path: Path) -> None:
    root = clean(tmp_path / "photos")
    shutil.copy(root / "train/cat/0.png", root / "train/cat/<script>x.png")
    check(root, model=None, out=tmp_path / "out")
    page = (tmp_path / "out" / "check.html").read_text()
    assert "&lt;script&gt;x.png" in page
    assert "<script" not in page


def test_a_table_is_checked_by_its_splits(tmp_path: Path) -> None:
    clean(tmp_path / "photos")
    shutil.copy(tmp_path / "photos/train/cat/0.png", tmp_path / "photos/test/cat/leak.png")
    rows = [
        f"{path.relative_to(tmp_path / 'photos')},{path.parent.name},{name}"
        for split, name in (("train", "training"), ("test", "test"))
        for path in sorted((tmp_path / "photos" / split).rglob("*.png"))
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,label,split", *rows]))
    found = check(table, root=tmp_path / "photos", model=None)
    assert list(found.content["sets"]) == ["train", "test"]
    assert [one.kind for one in found.findings] == ["leak"]


def test_what_cannot_be_checked_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not found"):
        check(tmp_path / "nothing")
    with pytest.raises(ModelError, match="not known"):
        check(clean(tmp_path / "photos"), model="no-such-model")
    (tmp_path / "wrong.yaml").write_text("name: x")
    with pytest.raises(RecipeError):
        check(tmp_path / "wrong.yaml")
    (tmp_path / "bad/cat").mkdir(parents=True)
    (tmp_path / "bad/cat/1.png").write_bytes(b"")
    with pytest.raises(DataError, match="no image can be read"):
        check(tmp_path / "bad", model=None)


def test_images_at_hand_can_be_checked(tmp_path: Path) -> None:
    images = from_folder(clean(tmp_path / "photos") / "train")
    assert isinstance(images, ImageList)
    assert check(images, model=None).content["sets"]["train"]["images"] == 12


def test_the_progress_reaches_its_end(tmp_path: Path) -> None:
    told: dict[str, tuple[int, int]] = {}
    root = planted(tmp_path / "photos")
    check(root, model=None, progress=lambda step, done, total: told.update({step: (done, total)}))
    done, total = told["reading images"]
    assert done == total > 0
