"""What a run refuses before it computes anything: too many devices, a disk without room."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.faults.test_endings import recipe as recipe
from tests.helpers.commands import call


def test_more_devices_than_the_machine_has(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    monkeypatch.setattr("adapt.training.devices.resolve_accelerator", lambda _: "cuda")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    words = ["runtime.devices=2", "runtime.accelerator=gpu"]
    assert call(monkeypatch, "run", recipe, *words, "--out", out) == 2
    sentence = "runtime.devices - too many - 2, this machine has 1 of cuda - give fewer"
    assert sentence in capsys.readouterr().err
    assert not out.exists()


def test_no_room_for_what_will_be_written(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Before the first step; the same command goes on once there is room."""
    out = tmp_path / "run"
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr("adapt.runs.run.fit_method", None)  # nothing is trained
        usage = SimpleNamespace(total=9, used=9, free=1_000_000)
        patch.setattr("adapt.common.files.shutil", SimpleNamespace(disk_usage=lambda _: usage))
        assert call(monkeypatch, "run", recipe, "--quiet", "--out", out) == 5
        shown = capsys.readouterr().err
        assert f"{out} - no room for the run - 1.0 MB free, " in shown
        assert "needed - free some space there and go on with --resume, or choose" in shown
        assert not (out / "checkpoints").exists()
    assert shutil.disk_usage(tmp_path).free > 1_000_000
    assert call(monkeypatch, "run", recipe, "--quiet", "--out", out, "--resume") == 0


@pytest.mark.parametrize("moment", ["steps.record", "steps.write_text", "run.read_images"])
def test_killed_before_it_has_said_anything(
    moment: str, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two of its first files a run can be begun again by the same command."""

    def killed(*_: object) -> None:
        raise SystemExit(9)

    words = ["run", recipe, "--quiet", "--resume", "auto", "--out", tmp_path / "run"]
    for place, code in ((moment, 9), ("run.begin_with", 9)):
        with monkeypatch.context() as patch:
            patch.setattr(f"adapt.runs.{place}", killed)
            assert call(monkeypatch, *words) == code, place
