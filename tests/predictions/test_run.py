"""One row per input from any source to any table, and the same bytes after any interruption."""

import io
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from adapt.common.content import content_hash
from adapt.common.progress import telling, track
from adapt.data.sources.captions.pairs import UNLABELLED
from adapt.errors import DataError, RecipeError, RunError
from adapt.export.load import load
from adapt.export.write import export
from adapt.models.classifier import Classifier
from adapt.predictions.manifest import NAME
from adapt.predictions.run import Written, check_file, predict_files
from adapt.predictions.settings import PredictionSettings
from tests.helpers.exports import full
from tests.helpers.packed import write_tar, write_zip
from tests.helpers.predicted import contents, predicted, table_rows
from tests.helpers.tiny import drawing, tiny_classifier

BATCH, PER_PART = 4, 6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    classifier = full(tiny_classifier().with_temperature(0.5))
    return classifier.save(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """21 images in three folders, two of them bad, and three files that are none."""
    root = tmp_path_factory.mktemp("in") / "photos"
    noise = np.random.default_rng(3)
    for folder in ("", "a", "b/c"):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(7):
            drawing("red_circle", noise).save(root / folder / f"{number}.png")
    (root / "3.png").write_text("no image")
    (root / "a" / "6.png").write_bytes(b"")
    for name in ("notes.txt", "a/more.txt", "b/no_suffix", "Thumbs.db"):
        (root / name).write_text("x")
    return root


@pytest.fixture(scope="module")
def paths(photos: Path) -> list[str]:
    """The images, in the order in which a folder is read."""
    names = [f"{folder}{number}.png" for folder in ("", "a/", "b/c/") for number in range(7)]
    return [str(photos / name) for name in names]


def run(
    bundle: Path,
    source: object,
    output: Path,
    resume: bool = False,
    overwrite: bool = False,
    **settings: Any,
) -> Written:
    chosen = PredictionSettings(**{"device": "cpu", "batch_size": BATCH, **settings})
    return predict_files(bundle, str(source), output, chosen, resume, overwrite)


def in_parts(bundle: Path, source: object, output: Path, **words: Any) -> Written:
    """A folder of parts of 6, 6, 6 and 3 rows, with batches that do not end where parts do."""
    return run(bundle, source, output, rows_per_part=PER_PART, features="npy", **words)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_table_of_a_folder(bundle: Path, photos: Path, paths: list[str], tmp_path: Path) -> None:
    done = run(bundle, photos, tmp_path / "out" / "table.csv")
    errors = {"empty file": 1, "not an image": 1}
    skipped = {".txt": 2, "no suffix": 1}
    assert done == Written(tmp_path / "out" / "table.csv", 21, errors, skipped, "cpu")
    answers = table_rows(done.path)
    columns = ["path", "label", "confidence", "top5", "error", "reason"]
    assert list(answers[0]) == [*columns, "abstained", "set", "unknown"]
    assert [row["path"] for row in answers] == paths
    for row, expected in zip(answers, Classifier.load(bundle).predict(paths, BATCH), strict=True):
        if expected.error is not None:
            assert [row["error"], row["reason"]] == [expected.error, expected.reason]
            others = [cell for name, cell in row.items() if name not in ("path", "error", "reason")]
            assert others == [""] * 6
            continue
        assert row["label"] == expected.label
        assert row["confidence"] == f"{expected.confidence:.6f}"
        top = [pair.split("=") for pair in row["top5"].split("; ")]
        assert [name for name, _ in top] == [name for name, _ in expected.top]
        for (_, text), (_, value) in zip(top, expected.top, strict=True):
            assert float(text) == pytest.approx(value, abs=1e-4)
        assert row["error"] == row["reason"] == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"table.csv", "table.csv.json"}
    record = json.loads((tmp_path / "out" / "table.csv.json").read_text())
    assert record["counts"] == {"images": 21, "errors": errors, "skipped": skipped}
    assert record["model"] == content_hash(bundle / "classifier.json")
    assert record["parts"][0]["files"] == {"table.csv": content_hash(done.path)}


def sources(photos: Path, paths: list[str], folder: Path) -> dict[str, tuple[object, list[str]]]:
    """The same images in every form, with the names of their rows."""
    files = [(str(Path(path).relative_to(photos)), Path(path).read_bytes()) for path in paths]
    (folder / "list.csv").write_text("\n".join(["path", *paths]))
    shards = [write_tar(folder / f"s-{n}.tar", files[7 * n : 7 * n + 7]) for n in range(3)]
    members = [f"{shards[n // 7]}/{name}" for n, (name, _) in enumerate(files)]
    packed = write_zip(folder / "all.zip", files)
    return {
        "folder": (photos, paths),
        "table": (folder / "list.csv", paths),
        "zip": (packed, [f"{packed}/{name}" for name, _ in files]),
        "braces": (folder / "s-{0..2}.tar", members),
        "pattern": (folder / "s-*.tar", members),
        "gzip": (
            write_tar(folder / "all.tar.gz", files, "w:gz"),
            [f"{folder / 'all.tar.gz'}/{name}" for name, _ in files],
        ),
    }


@pytest.mark.parametrize("kind", ["folder", "table", "zip", "braces", "pattern", "gzip"])
def test_every_source_gives_what_predict_gives(
    kind: str, bundle: Path, photos: Path, paths: list[str], tmp_path: Path
) -> None:
    source, names = sources(photos, paths, tmp_path)[kind]
    done = run(bundle, source, tmp_path / "out.jsonl", features="npy")
    expected = Classifier.load(bundle).predict(paths, BATCH)
    answers = lines(done.path)
    assert [row["path"] for row in answers] == names
    for row, one in zip(answers, expected, strict=True):
        good = one.error is None
        assert row["label"] == one.label
        assert row["confidence"] == (one.confidence if good else None), "to the last bit"
        assert row["reason"] == one.reason
        assert good or row["error"] == str(one.error).replace(one.source, row["path"])
        assert row["abstained"] is (one.abstained if good else None)
        assert row["set"] == (list(one.labels) if good else None)
        top = [{"label": label, "probability": value} for label, value in one.top]
        assert row["top5"] == (top if good else None), "to the last bit"
    features = np.load(tmp_path / "out.features.npy")
    assert np.isnan(features).all(1).tolist() == [one.error is not None for one in expected]
    loaded = Classifier.load(bundle).predictor
    streamed = [p.features for p in loaded.stream(paths, BATCH, features=True)]
    for row, one in zip(features, streamed, strict=True):
        assert one is None or np.array_equal(row, one.numpy())


def test_an_export_gives_what_it_predicts(
    bundle: Path, photos: Path, paths: list[str], tmp_path: Path
) -> None:
    exported = tmp_path / "lean"
    export(Classifier.load(bundle), exported, "lean")
    done = run(exported, photos, tmp_path / "out.jsonl", device="auto", features="parquet")
    expected = load(exported).predict(paths, BATCH)
    given = [(row["label"], row["confidence"] or 0.0) for row in lines(done.path)]
    assert given == [(one.label, one.confidence) for one in expected]
    table = pq.read_table(tmp_path / "out.features.parquet").to_pylist()
    assert [row["path"] for row in table] == paths
    assert [row["features"] is None for row in table] == [one.error is not None for one in expected]
    with pytest.raises(RecipeError, match="--precision - an export computes as it was exported"):
        run(exported, photos, tmp_path / "other.csv", precision="bf16")


def test_formats_hold_the_same(bundle: Path, photos: Path, tmp_path: Path) -> None:
    for name in ("out.csv", "out.parquet", "out.jsonl"):
        assert run(bundle, photos, tmp_path / name).images == 21
    run(bundle, photos, tmp_path / "out", format="jsonl")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    cells = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert cells == lines(tmp_path / "out.jsonl")
    for row, other in zip(table_rows(tmp_path / "out.csv"), cells, strict=True):
        assert list(row) == list(other)
        for name in ("path", "label", "error", "reason"):
            assert row[name] == (other[name] or "")
        for name in ("abstained", "unknown"):
            assert row[name] == {None: "", True: "true", False: "false"}[other[name]]
        assert row["set"] == "; ".join(other["set"] or [])
        top = [f"{pair['label']}={pair['probability']:.4f}" for pair in other["top5"] or []]
        assert row["top5"] == "; ".join(top)


def test_top_and_threshold(bundle: Path, photos: Path, paths: list[str], tmp_path: Path) -> None:
    expected = Classifier.load(bundle).predict(paths, BATCH)
    least = sorted(one.confidence for one in expected if one.error is None)[9]
    done = run(bundle, photos, tmp_path / "out.jsonl", top=2, threshold=least)
    answers = lines(done.path)
    given = {row["path"] for row in answers if row["abstained"] is True}
    assert given == {one.source for one in expected if not one.error and one.confidence < least}
    assert len(given) == 9
    assert {len(row["top2"]) for row in answers if row["top2"]} == {2}
    record = json.loads((tmp_path / "out.jsonl.json").read_text())
    assert record["settings"]["threshold"] == least


def test_another_precision_is_another_number(bundle: Path, photos: Path, tmp_path: Path) -> None:
    exact = lines(run(bundle, photos, tmp_path / "32.jsonl").path)
    coarse = lines(run(bundle, photos, tmp_path / "bf16.jsonl", precision="bf16").path)
    differences = [
        abs(one["confidence"] - other["confidence"])
        for one, other in zip(exact, coarse, strict=True)
        if one["confidence"] is not None
    ]
    assert 0 < max(differences) < 0.05


def test_parts_hold_what_one_table_holds(bundle: Path, photos: Path, tmp_path: Path) -> None:
    done = in_parts(bundle, photos, tmp_path / "parts")
    whole = run(bundle, photos, tmp_path / "whole.csv", features="npy")
    assert (done.images, done.errors, done.skipped) == (21, whole.errors, whole.skipped)
    tables = [table_rows(tmp_path / "parts" / f"part-0000{number}.csv") for number in range(4)]
    assert [len(rows) for rows in tables] == [6, 6, 6, 3]
    assert [row for rows in tables for row in rows] == table_rows(whole.path)
    features = [
        np.load(tmp_path / "parts" / f"part-0000{number}.features.npy") for number in range(4)
    ]
    np.testing.assert_array_equal(
        np.concatenate(features), np.load(tmp_path / "whole.features.npy")
    )
    record = json.loads((tmp_path / "parts" / NAME).read_text())
    assert record["finished"] is True
    assert [part["rows"] for part in record["parts"]] == [6, 6, 6, 3]


class Stop(BaseException):
    """Ends a run where nobody handles it."""


def stopped_at(
    number: int, after: bool, monkeypatch: pytest.MonkeyPatch, do: Callable[[], Any]
) -> bool:
    """Whether a run ended at the moment before or after a file came to its place."""
    replace, left = Path.replace, iter(range(number, -1, -1))

    def moved(self: Path, target: Path) -> Path:
        if next(left, -1) == 0:
            if after:
                replace(self, target)
            # As a killed process does, it leaves what it was writing.
            monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
            raise Stop
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", moved)
        unlink = Path.unlink
        try:
            do()
        except Stop:
            return True
        finally:
            monkeypatch.setattr(Path, "unlink", unlink)
    return False


@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_is_stopped_anywhere_goes_on_to_the_same_bytes(
    after: bool, bundle: Path, photos: Path, paths: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    source, _ = sources(photos, paths, tmp_path)["braces"]
    in_parts(bundle, source, tmp_path / "expected")
    expected, moment = contents(tmp_path / "expected"), 0
    while stopped_at(
        moment, after, monkeypatch,
        lambda: in_parts(bundle, source, tmp_path / f"{moment}"),  # noqa: B023 (called at once)
    ):  # fmt: skip
        done = in_parts(bundle, source, tmp_path / f"{moment}", resume=True)
        assert contents(tmp_path / f"{moment}") == expected, moment
        assert done.images == 21
        moment += 1
    assert moment == 14, "four tables, four of features, six times the record"
    again = in_parts(bundle, source, tmp_path / "0", resume=True)
    assert (again.images, again.before) == (21, 21)
    assert contents(tmp_path / "0") == expected


def test_one_table_is_whole_or_absent(
    bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def do() -> Written:
        return run(bundle, photos, tmp_path / "out" / "a.csv", features="npy")

    for moment in range(3):
        assert stopped_at(moment, False, monkeypatch, do)
        assert not (tmp_path / "out" / "a.csv").exists()
    assert do().images == 21
    run(bundle, photos, tmp_path / "other" / "a.csv", features="npy")
    left = {name: content for name, content in contents(tmp_path / "out").items() if name[0] != "."}
    assert left == contents(tmp_path / "other")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(
    bundle: Path, photos: Path, paths: list[str], tmp_path: Path
) -> None:
    """Ten times by SIGKILL, at random moments of a process that has all imported already."""
    table = tmp_path / "many.csv"
    table.write_text("\n".join(["path", *(20 * paths)]))
    begun = time.monotonic()
    in_parts(bundle, table, tmp_path / "expected")
    seconds = time.monotonic() - begun
    expected, draws, kills = contents(tmp_path / "expected"), random.Random(0), 0
    folder = tmp_path / "out"
    while kills < 10:
        child = os.fork()
        if child == 0:
            try:
                in_parts(bundle, table, folder, resume=True)
            finally:
                os._exit(0)
        time.sleep(draws.uniform(0, seconds / 2))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
        if (folder / NAME).is_file() and json.loads((folder / NAME).read_text())["finished"]:
            assert contents(folder) == expected
            folder.rename(tmp_path / f"finished-{kills}")
    in_parts(bundle, table, folder, resume=True)
    assert contents(folder) == expected


def test_what_differs_from_the_beginning_is_refused(
    bundle: Path, photos: Path, paths: list[str], tmp_path: Path
) -> None:
    out, table = tmp_path / "out", tmp_path / "list.csv"
    table.write_text("\n".join(["path", *paths]))
    in_parts(bundle, table, out)
    before = contents(out)
    with pytest.raises(RecipeError, match="not empty - it holds earlier predictions - add --res"):
        in_parts(bundle, table, out)
    with pytest.raises(RecipeError) as caught:
        in_parts(bundle, photos, out, resume=True, top=3, batch_size=5)
    assert "3 differ from the beginning" in str(caught.value)
    assert "settings.top was 5, is 3" in str(caught.value)
    assert f"source was {table}, is {photos}" in str(caught.value)
    other = tiny_classifier(seed=1).save(tmp_path / "other")
    with pytest.raises(RecipeError, match=r"1 differs .*\n  model was"):
        in_parts(other, table, out, resume=True)
    for changed in ([*paths, paths[0]], paths[:-1], [*paths[:2], paths[0], *paths[3:]]):
        table.write_text("\n".join(["path", *changed]))
        with pytest.raises(DataError, match="the source has changed - other images than before"):
            in_parts(bundle, table, out, resume=True)
    table.write_text("\n".join(["path", *paths]))
    assert contents(out) == before
    (out / "part-00001.csv").write_text("altered")
    with pytest.raises(RunError, match=r"part-00001.csv - altered - it was finished before"):
        in_parts(bundle, table, out, resume=True)
    (out / "part-00001.csv").unlink()
    with pytest.raises(RunError, match=r"part-00001.csv - missing"):
        in_parts(bundle, table, out, resume=True)
    assert in_parts(bundle, table, out, overwrite=True).images == 21
    assert contents(out) == before


def test_a_folder_of_others_is_never_touched(bundle: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for words in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RecipeError, match="not a folder of predictions - it holds other files"):
            in_parts(bundle, photos, tmp_path, **words)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_table_that_is_there_is_kept(bundle: Path, photos: Path, tmp_path: Path) -> None:
    target, image = tmp_path / "mine.csv", photos / "0.png"
    target.write_text("years of work")
    with pytest.raises(RecipeError, match=r"mine.csv - exists - .* --overwrite"):
        run(bundle, image, target)
    assert target.read_text() == "years of work"
    assert run(bundle, image, target, overwrite=True).images == 1
    assert target.read_text().startswith("path,label")
    with pytest.raises(RecipeError, match="--resume - only for a folder of parts"):
        check_file(target, resume=True)
    with pytest.raises(RecipeError, match="a folder - a file is written"):
        check_file(tmp_path)


def test_a_source_is_not_replaced_by_its_predictions(
    bundle: Path, paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "list.csv"
    table.write_text("\n".join(["path", *paths]))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="the source itself - predictions would replace it"):
        run(bundle, "list.csv", table, overwrite=True)
    assert table.read_text().splitlines()[1:] == paths


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty", None, "no images - nothing to predict"),
        ("none.csv", "path\n", "no images - nothing to predict"),
        ("other.csv", "file\na.png\n", "no column 'path' - given ['file']"),
        ("gone", "", "not found - no such file or folder"),
        ("gone.csv", "", "not found - no such table"),
        ("broken.tar", "x", "not a zip or tar archive"),
    ],
)
def test_nothing_to_predict(
    name: str, content: str | None, expected: str, bundle: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / name, tmp_path / "out"
    if content is None:
        source.mkdir()
    elif content:
        source.write_text(content)
    for settings in ({}, {"rows_per_part": 2}):
        with pytest.raises(DataError) as caught:
            run(bundle, source, out / "table.csv", **settings)
        assert expected in str(caught.value)
        assert caught.value.exit_code == 3
        assert not out.exists(), "nothing is left"


def test_a_model_without_classes_gives_features_alone(photos: Path, tmp_path: Path) -> None:
    bundle = tiny_classifier(names=[UNLABELLED]).save(tmp_path / "model")
    with pytest.raises(RecipeError, match="answers no classes - it learned from captions"):
        run(bundle, photos, tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
    assert run(bundle, photos, tmp_path / "table.csv", features="npy").images == 21


def test_no_cell_is_a_formula(photos: Path, tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "+1", "@a"]
    classifier = full(tiny_classifier(names=names))
    image = photos / "0.png"
    (tmp_path / "list.csv").write_text(f'path\n"{image}"\n"=1+1.png"\n')
    written = predicted(classifier, tmp_path / "list.csv", tmp_path / "out.csv")
    answers = table_rows(written.path)
    assert answers[0]["label"] in [f"'{name}" for name in names]
    assert answers[0]["top5"].startswith("'")
    for row in answers:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


class AtOnce:
    """A thread that has done its work when it is started."""

    def __init__(self, target: Callable[[], None], daemon: bool) -> None:
        self.start = target


def test_progress_tells_the_total_once_it_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from adapt.predictions import run as module

    monkeypatch.setattr(module.threading, "Thread", AtOnce)
    seen: list[tuple[str, int, int]] = []
    with telling(lambda *what: seen.append(what)):
        total = module._Total(lambda: 21, 6)
        assert [total(), total(), total()] == [0, 15, 15]
        list(track("ab", "predicting", module._Total(lambda: 2, 0)))
    assert seen == [("predicting", 0, 0), ("predicting", 1, 2), ("predicting", 2, 2)]


def test_progress_counts_every_row(bundle: Path, photos: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with telling(lambda *what: seen.append(what)):
        run(bundle, photos, tmp_path / "a.csv")
    assert [done for step, done, _ in seen if step == "predicting"] == list(range(22))
    assert {total for _, _, total in seen} <= {0, 21}


def test_what_is_said() -> None:
    written = Written(Path("out"), 1234, {}, {}, "cuda", before=600)
    assert written.said() == "1,234 images predicted on cuda, 600 of them before, no errors"
    written = Written(Path("out"), 1234, {"empty file": 1}, {}, "cuda", before=1234)
    assert written.said() == (
        "nothing left to do: 1,234 images were predicted before, 1 with an error (1 empty file)"
    )


def test_an_empty_list_on_standard_input(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(DataError, match=r"^standard input - no images - nothing to predict - "):
        run(bundle, "-", tmp_path / "out.csv")


def test_no_image_is_decoded_twice_when_a_run_goes_on(
    bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, opened = tmp_path / "out", []
    assert stopped_at(7, True, monkeypatch, lambda: in_parts(bundle, photos, out))
    from adapt.models.prediction import stream

    def noted(source: Any, *more: Any) -> Image.Image:
        opened.append(str(source))
        return real(source, *more)

    real = stream.open_image
    monkeypatch.setattr(stream, "open_image", noted)
    done = in_parts(bundle, photos, out, resume=True)
    assert done.before == 12
    assert len(opened) == 21 - 12, "two parts of six end where a batch of four ends"
