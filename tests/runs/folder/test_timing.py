"""How long a run took, over all of its processes."""

import json
import time
from pathlib import Path

import pytest

from adapt.runs.folder.resume import record
from adapt.runs.folder.stages import Stages
from adapt.runs.folder.timing import FILE, FIT, write_timing

NOW = {"adapt": "1.0", "code": "aa", "packages": {}}


def test_stages_that_were_finished_count_with_the_time_that_they_took(tmp_path: Path) -> None:
    stages = Stages(tmp_path, None)
    stages.seconds, stages.before = {FIT: 100.0, "probe": 3.0}, 100.0
    record(tmp_path, NOW, [], resumed=True)
    seconds = write_timing(tmp_path, time.monotonic() - 5, stages)
    assert seconds["fit"] == 100
    assert seconds["total"] == pytest.approx(105, abs=1)
    content = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    assert content == {"format": 1, **seconds, "resumed": 1, "stages": stages.seconds}


def test_a_run_without_a_training(tmp_path: Path) -> None:
    seconds = write_timing(tmp_path, time.monotonic(), Stages(tmp_path, None))
    assert seconds["fit"] == 0
