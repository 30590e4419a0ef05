"""The process: an address that is taken, and SIGTERM and SIGHUP under load."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from adapt.errors import RecipeError
from adapt.serve.process import bound, refuse_new
from tests.helpers.serving import ask, pictures


def test_an_address_that_cannot_be_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RecipeError, match=f"port {port} - in use - give another --port"):
            bound("127.0.0.1", port)
    with pytest.raises(RecipeError, match="port 70000 - cannot be had"):
        bound("127.0.0.1", 70_000)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can hold new connections back")
def test_an_end_keeps_who_has_connected_and_lets_nobody_begin() -> None:
    with bound("127.0.0.1", 0) as listener:
        listener.listen()
        waiting = socket.create_connection(listener.getsockname())
        refuse_new(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.2)
        waiting.sendall(b"a request")
        accepted, _ = listener.accept()
        assert accepted.recv(100) == b"a request"
        accepted.sendall(b"its answer")
        assert waiting.recv(100) == b"its answer"
        accepted.close()
        waiting.close()


def test_signals_under_load_lose_no_request(served_folder: Path, tmp_path: Path) -> None:
    """Clients on kept connections; each goes on until it is told to close or finds nobody."""
    command = [sys.executable, "-m", "adapt", "serve", str(served_folder), "--port", "0"]
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [*command, "--device", "cpu", "drain=0.3"], stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        image, statuses, lost = pictures(1)[0], [], []

        def client() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            while True:
                try:
                    connection.connect() if connection.sock is None else None
                except ConnectionRefusedError:
                    return
                try:
                    connection.request("POST", "/predict", image, {"Content-Type": "image/png"})
                    response = connection.getresponse()
                    response.read()
                    statuses.append(response.status)
                except (http.client.HTTPException, OSError) as error:
                    lost.append(error)
                    connection.close()

        threads = [threading.Thread(target=client) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGHUP)
        time.sleep(0.5)
        reloads = 'adapt_reloads_total{result="done"} 1.0'
        assert reloads in ask(port, "GET", "/metrics").content
        os.kill(process.pid, signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        rest = process.stdout.read()
        assert process.wait(30) == 0
    finally:
        process.kill()
    log.seek(0)
    assert set(statuses) == {200}, log.read()
    assert len(statuses) > 50
    assert not lost
    assert "every request that was taken has been answered" in rest
