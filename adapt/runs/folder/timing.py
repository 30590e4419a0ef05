"""How long a run took: `timing.json`, apart from `scores.json`, which depends on no clock."""

import time
from pathlib import Path

from adapt.common.files import write_json
from adapt.runs.folder.resume import read_environment
from adapt.runs.folder.stages import Stages

FILE, FIT = "timing.json", "fit"


def write_timing(folder: Path, began: float, stages: Stages) -> dict[str, float]:
    """Write `timing.json`.

    Where a run went on after it was stopped, stages that were finished count with the time that
    they took then; what was lost when it was stopped does not count.

    Args:
        folder: Run folder.
        began: When this process began, by the monotonic clock.
        stages: Of the run.

    Returns:
        Seconds of the training (`fit`) and of everything (`total`).
    """
    seconds = {
        "fit": stages.seconds.get(FIT, 0.0),
        "total": time.monotonic() - began + stages.before,
    }
    resumed = len(read_environment(folder).get("resumed", []))
    content = {"format": 1, **seconds, "resumed": resumed, "stages": stages.seconds}
    write_json(folder / FILE, content)
    return seconds
