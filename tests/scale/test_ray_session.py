"""A Ray that is joined, and one that cannot be reached."""

import os
import signal
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from adapt.common.signals import for_a_command
from adapt.errors import MissingExtraError, RunError
from adapt.scale import ray_session as module
from adapt.scale.ray_session import import_ray, ray_session


class FakeRay(SimpleNamespace):
    """Notes how it is started and ended."""

    def __init__(self, running: bool) -> None:
        super().__init__(running=running, options={}, ended=False, error=None, signalled=False)

    def is_initialized(self) -> bool:
        """Whether somebody has started it."""
        return bool(self.running)

    def init(self, **options: Any) -> None:
        """As Ray, which takes the signal in the main thread."""
        if self.error:
            raise self.error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.starter = threading.current_thread()
        if self.signalled:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)  # the main thread would be interrupted here
        self.options = options

    def shutdown(self) -> None:
        """The end."""
        self.ended = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """In place of Ray."""
    made = FakeRay(running=False)
    monkeypatch.setattr(module, "import_ray", lambda: made)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return made


def test_one_that_is_started_ends_with_the_context(
    fake: FakeRay, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ray_session(1000) as ray:
        assert ray is fake
        print("of Ray")
        assert not fake.ended
        assert fake.starter.is_alive(), "its processes would end with the thread that started them"
    assert fake.ended
    assert fake.options["num_cpus"] == 1000
    assert fake.options["include_dashboard"] is False
    assert signal.getsignal(signal.SIGTERM) == before
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "of Ray\n")


def test_a_signal_waits_until_it_is_up_and_then_ends_it(fake: FakeRay) -> None:
    fake.signalled = True
    with for_a_command(), pytest.raises(KeyboardInterrupt):
        ray_session(1).__enter__()
    assert (fake.options["num_cpus"] >= 1, fake.ended) == (True, True)


def test_one_that_runs_is_joined_and_left_alone(fake: FakeRay) -> None:
    fake.running = True
    with ray_session(1):
        pass
    assert (fake.options, fake.ended) == ({}, False)


def test_a_cluster_gets_no_settings_of_ours(fake: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "far:6379")
    with ray_session(1):
        pass
    assert "num_cpus" not in fake.options
    fake.error = ConnectionError("nobody\nthere")
    with pytest.raises(RunError, match=r"far:6379 - cannot be reached .* nobody there - check"):
        ray_session(1).__enter__()


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[ray\]'"):
        import_ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
