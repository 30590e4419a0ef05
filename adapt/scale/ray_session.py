"""Joining a Ray, or starting one: on this machine, or on the cluster that `$RAY_ADDRESS` names."""

import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from adapt.errors import MissingExtraError, RunError, one_line

OBJECTS = 80 << 20
"""Bytes of the object store of a Ray that is started here; only small things lie in it."""
NO_TELEMETRY = "RAY_USAGE_STATS_ENABLED"


def import_ray() -> Any:
    """The package, with its usage statistics off.

    Raises:
        MissingExtraError: When Ray is not installed.
    """
    os.environ[NO_TELEMETRY] = "0"  # before the import, which reads it
    # Ray's own C++ warns of what Ray Data does with every pool of actors; Python says what fails.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError(
            f"--engine ray - ray is not installed - {error} - pip install 'adapt-clip[ray]'"
        ) from error
    return ray


@contextmanager
def ray_session(wanted: int) -> Iterator[Any]:
    """Join the Ray of this process or of `$RAY_ADDRESS`, or start one, which ends with the context.

    Args:
        wanted: Processors that will be asked for: one that is started here has as many at least.

    Raises:
        MissingExtraError: When Ray is not installed.
        RunError: When the cluster cannot be reached.
    """
    ray = import_ray()
    joined = bool(ray.is_initialized())
    if not joined:
        _start(ray, wanted)
    try:
        # Ray prints what becomes of its processes, between the results of whoever reads them.
        with redirect_stdout(sys.stderr or io.StringIO()):
            yield ray
    finally:
        if not joined:
            ray.shutdown()


def _start(ray: Any, wanted: int) -> None:
    from adapt.training.runtime import processors  # torch: nothing for actors that need none

    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        options |= {
            "address": "local",
            "num_cpus": max(processors(), wanted),
            "object_store_memory": OBJECTS,
            "include_dashboard": False,
        }
    ours = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
        if ours is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)  # Ray's own would end the process without a word
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        place = address or "a Ray on this machine"
        raise RunError(
            f"{place} - cannot be reached or started - {one_line(error)} - check $RAY_ADDRESS, or "
            "use --engine local"
        ) from error
