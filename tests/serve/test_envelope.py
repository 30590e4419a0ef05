"""Around every request: its id, safe headers, and no traceback, whatever happens inside."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapt.models.prediction.stream import Predictor
from adapt.serve.app import Service
from tests.helpers.serving import Running, pictures, running


def test_every_response_has_an_id_and_safe_headers(server: Running) -> None:
    for path in ("/", "/health", "/nothing"):
        headers = server.ask("GET", path, X_Request_ID="order-7.b").headers
        assert headers["x-request-id"] == "order-7.b"
        assert headers["x-content-type-options"] == "nosniff"
    for strange in ("<b>", "x" * 65, "a b"):
        given = server.ask("GET", "/health", X_Request_ID=strange).headers["x-request-id"]
        assert (len(given), given.isalnum()) == (32, True)


def test_a_fault_of_ours_is_one_sentence(
    served_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret of /home/somebody")

    monkeypatch.setattr(Service, "_model", broken)
    with running(served_folder) as server, caplog.at_level(logging.ERROR):
        reply = server.ask("GET", "/model", X_Request_ID="abc")
        text = server.ask("GET", "/metrics").content
    assert reply.status == 500
    assert reply.content == {"error": "the server failed - see its log", "request_id": "abc"}
    assert "request abc failed" in caplog.text
    assert 'adapt_requests_total{route="/model",status="500"} 1.0' in text


def test_connections_are_closed_when_the_server_is_about_to_stop(server: Running) -> None:
    assert "connection" not in server.ask("GET", "/health").headers
    server.service.stopping = True
    try:
        assert server.ask("GET", "/health").headers["connection"] == "close"
        assert server.ask("GET", "/ready").status == 503
        assert server.ask("GET", "/model").status == 200
    finally:
        server.service.stopping = False


def test_the_end_may_come_while_an_answer_is_computed(
    served_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client learns of it, or would send its next request to nobody."""
    begun, may_go_on, own = threading.Event(), threading.Event(), Predictor.answers

    def slow(self: Predictor, *given: Any) -> Any:
        begun.set()
        assert may_go_on.wait(20)
        return own(self, *given)

    monkeypatch.setattr(Predictor, "answers", slow)
    with running(served_folder) as server, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.predict, pictures(1)[0])
        assert begun.wait(20)
        server.server.stop()
        may_go_on.set()
        reply = asked.result()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
