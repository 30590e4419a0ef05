"""Who may write in a run folder."""

from pathlib import Path

import pytest

from adapt.errors import DataError, RecipeError, RunError
from adapt.runs.folder.lock import LOCK, FolderKind, run_folder


def test_a_folder_is_locked_while_it_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    with run_folder(folder, resume=False, overwrite=False) as made:
        assert made == folder
        (folder / "recipe.yaml").write_text("name: x")
        for resume, overwrite in ((True, False), (False, True)):
            with pytest.raises(RunError, match="in use"), run_folder(folder, resume, overwrite):
                pass
    with (
        pytest.raises(RecipeError, match="it holds an earlier run"),
        run_folder(folder, resume=False, overwrite=False),
    ):
        pass
    with run_folder(folder, resume=True, overwrite=False):
        assert (folder / "recipe.yaml").is_file()
    (folder / "deep" / "er").mkdir(parents=True)
    with run_folder(folder, resume=False, overwrite=True):
        assert {path.name for path in folder.iterdir()} <= {LOCK}


def test_a_lock_file_of_a_process_that_ended_does_not_count(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("1")
    with run_folder(tmp_path, resume=False, overwrite=False):
        pass


def test_a_folder_in_which_the_first_file_was_half_written_is_empty(tmp_path: Path) -> None:
    (tmp_path / ".recipe.yaml.12.part").write_text("half")
    with run_folder(tmp_path, resume=False, overwrite=False):
        assert {path.name for path in tmp_path.iterdir()} <= {LOCK}


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".last.ckpt.12.part").write_text("half")
    (tmp_path / "model" / ".34.part").mkdir(parents=True)
    with run_folder(tmp_path, resume=True, overwrite=False):
        assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("word", [{"resume": True}, {"overwrite": True}, {}])
def test_a_folder_of_other_files_is_never_touched(word: dict[str, bool], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    chosen = {"resume": False, "overwrite": False} | word
    with pytest.raises(RecipeError, match="it holds other files"), run_folder(tmp_path, **chosen):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RecipeError, match="file - not a folder - "),
        run_folder(tmp_path / "file", False, False),
    ):
        pass
    for place in (tmp_path / "file" / "run", Path("/proc/run")):
        with pytest.raises(RunError, match="cannot be written"), run_folder(place, False, False):
            pass
    with (
        pytest.raises(RecipeError, match="does not go with --overwrite"),
        run_folder(tmp_path / "new", True, True),
    ):
        pass
    assert not (tmp_path / "new").exists()


def test_a_folder_of_another_kind(tmp_path: Path) -> None:
    kind = FolderKind("folder of maps", "earlier maps", ("map.json",), "--maps")
    (tmp_path / "recipe.yaml").write_text("name: x")
    with (
        pytest.raises(RecipeError, match=r"not a folder of maps - .* - choose another --maps"),
        run_folder(tmp_path, True, False, kind),
    ):
        pass
    (tmp_path / "map.json").write_text("{}")
    with (
        pytest.raises(RecipeError, match=r"it holds earlier maps - .* or choose another --maps"),
        run_folder(tmp_path, False, False, kind),
    ):
        pass


def test_what_marks_a_folder_is_deleted_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("z", "recipe.yaml", "a"):
        (tmp_path / name).write_text("")
    unlink, gone = Path.unlink, list[str]()

    def noted(self: Path, missing_ok: bool = False) -> None:
        gone.append(self.name)
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", noted)
    with run_folder(tmp_path, False, True):
        assert sorted(gone[:2]) == ["a", "z"]
        assert gone[2] == "recipe.yaml"


@pytest.mark.parametrize(("name", "left"), [("log.txt", set()), ("split.json", {"split.json"})])
def test_a_run_that_fails_before_anything_is_computed_leaves_no_trace(
    name: str, left: set[str], tmp_path: Path
) -> None:
    """So that the same command, once the photos are mended, needs no option."""

    def work() -> None:
        with run_folder(tmp_path, False, False):
            (tmp_path / "recipe.yaml").write_text("name: x")
            (tmp_path / name).write_text("")
            raise DataError("photos - are wrong")

    with pytest.raises(DataError, match="photos"):
        work()
    kept = {path.name for path in tmp_path.iterdir()} - {LOCK}
    assert kept == (left and left | {"recipe.yaml"})


def test_a_run_that_is_resumed_in_vain_stays(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x")
    with pytest.raises(DataError), run_folder(tmp_path, resume=True, overwrite=False):
        raise DataError("photos - are gone")
    assert (tmp_path / "recipe.yaml").is_file()
