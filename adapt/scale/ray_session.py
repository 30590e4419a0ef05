"""Joining a Ray, or starting one: on this machine, or on the cluster that `$RAY_ADDRESS` names."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from typing import Any

from adapt.common.signals import finishing
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
    with ThreadPoolExecutor(1) as starter:  # Linux ends what a thread has started with the thread
        if not joined:
            _start(ray, wanted, starter)
        try:
            # Ray prints what becomes of its processes, between the results of whoever reads them.
            with redirect_stdout(sys.stderr or io.StringIO()):
                yield ray
        finally:
            if not joined:
                ray.shutdown()


def _start(ray: Any, wanted: int, starter: ThreadPoolExecutor) -> None:
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
    try:
        # In a thread of its own: in the main one Ray takes SIGTERM over, and ends half started.
        with finishing() as asked:
            starter.submit(ray.init, **options).result()
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        place = address or "a Ray on this machine"
        raise RunError(
            f"{place} - cannot be reached or started - {one_line(error)} - check $RAY_ADDRESS, or "
            "use --engine local"
        ) from error
    if asked():  # in these seconds
        ray.shutdown()
        raise KeyboardInterrupt
