"""A second opinion: another Python process loads a bundle and answers its probe."""

import os
import subprocess
import sys
from pathlib import Path

from adapt.errors import BundleError

SECONDS = 600
# It is text, since the process that runs it must know nothing of this one.
CODE = """
import sys
from adapt.models.building.light import import_open_clip
from adapt.errors import AdaptError
import_open_clip()
from adapt.models.classifier import verify_bundle
try:
    print(verify_bundle(sys.argv[1]).probabilities)
except AdaptError as error:
    sys.exit(str(error))
"""


def verify_in_another_process(folder: Path) -> None:
    """Load a bundle where nothing of this process is known, without a network.

    Raises:
        BundleError: When that process cannot load it, or gets other probabilities.
    """
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(folder.resolve())],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            env={**os.environ, **offline, "PYTHONPATH": paths},
        )
        reason = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BundleError(
            f"{folder} - cannot be checked - {error} - save it again without another process"
        ) from error
    if done.returncode != 0:
        raise BundleError(
            f"{folder} - a fresh process cannot use it - {reason} - use a model "
            "whose parts are all in the bundle"
        )
