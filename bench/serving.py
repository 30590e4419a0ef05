"""The server under load: throughput beside a bare loop, latencies, memory, SIGTERM.

    python -m bench.serving docs/benchmarks/serving.md            # two models, about ten minutes
    python -m bench.serving PAGE --only ViT-B-32 # this model alone; the other keeps its figures

Each round is a loop of `Classifier.predict` over all files in batches of 32, and then the same
files sent to `adapt serve` by 32 clients on kept connections, one file per request. A tenth of the
files are no good images, of ten kinds; each must come back with its own status and reason, and
every other answer must be that of the loop. Loop, server and clients are processes of their own on
one machine. After the rounds the server is sent SIGTERM while the clients send, several times over:
a request is lost when it was sent on a connection that the server had taken and no answer came.
"""

import argparse
import http.client
import io
import json
import os
import platform
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapt.common.files import write_json
from bench.document import rewrite_below

MARKER = "<!-- Below this line: written by python -m bench.serving -->"
CLIENTS, BATCH, SEED = 32, 32, 0
PHOTOS = 48
SIZE = (640, 480)
MODELS = {"adapt-icons-xs": 2000, "ViT-B-32": 300}
"""Requests of a round by model."""
NAMES = ["cat", "dog", "car", "house", "tree", "boat", "shoe", "bird", "cup", "lamp"]
Request = tuple[str, bytes, int, str]
"""Content type, body, the status that is right, and how its reason begins."""


def photos() -> list[bytes]:
    """JPEG files of the size of web photos: smooth fields with some noise."""
    random = np.random.default_rng(SEED)
    files = []
    for _ in range(PHOTOS):
        field = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8))
        pixels = np.asarray(field.resize(SIZE, Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = np.clip(pixels + random.integers(-8, 9, pixels.shape), 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noisy).save(stream, "JPEG", quality=88)
        files.append(stream.getvalue())
    return files


def bad_requests(photo: bytes) -> list[Request]:
    """Ten kinds of files that are no good images."""
    size = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    data = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    huge = b"\x89PNG\r\n\x1a\n" + header + data
    kind = "image/jpeg"
    return [
        (kind, b"", 422, "empty file"),
        (kind, b"no image", 415, "not an image - text"),
        (kind, b"%PDF-1.7 ...", 415, "not an image that is read - a PDF"),
        (kind, b"<!doctype html><p>not found", 415, "not an image - an HTML page"),
        (kind, b"<svg xmlns='x'/>", 415, "not an image that is read - an SVG drawing"),
        (kind, photo[: len(photo) // 2], 422, "damaged or truncated image"),
        (kind, photo[:200], 422, "damaged or truncated image"),
        (kind, huge, 413, "too many pixels - 200000000"),
        ("text/html", photo, 415, "Content-Type - not one that is read - 'text/html'"),
        ("application/json", b'{"images": ["?"]}', 422, "not base64"),
    ]


def requests(total: int) -> list[Request]:
    """Every tenth is a bad one."""
    good = [("image/jpeg", photo, 200, "") for photo in photos()]
    bad = bad_requests(good[0][1])
    return [
        bad[number // 10 % len(bad)] if number % 10 == 7 else good[number % PHOTOS]
        for number in range(total)
    ]


def loop(folder: str, total: int) -> dict[str, Any]:
    """A bare loop in batches over the same bodies; what the model says of every photo."""
    import adapt

    model = adapt.load(folder)
    bodies = [body for _, body, _, _ in requests(total)]
    model.predict(bodies[:BATCH], BATCH)
    before = time.perf_counter()
    answers = model.predict(bodies, BATCH)
    seconds = time.perf_counter() - before
    said = {}
    for number, answer in enumerate(answers):
        if answer.error is None and number % 10 != 7:
            said.setdefault(number % PHOTOS, (answer.label, answer.confidence))
    return {"rate": total / seconds, "said": said}


class Client(threading.Thread):
    """Sends one request after the other on a kept connection."""

    def __init__(self, port: int, given: Iterator[Request], lock: threading.Lock) -> None:
        super().__init__()
        self._port, self._given, self._lock = port, given, lock
        self.seconds: list[float] = []
        self.replies: list[tuple[Request, int, dict[str, Any]]] = []
        self.lost: list[str] = []

    def run(self) -> None:
        """Until there is nothing to send, or nobody to send it to."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while True:
            with self._lock:
                request = next(self._given, None)
            try:
                if connection.sock is None and request is not None:
                    connection.connect()
            except ConnectionRefusedError:
                request = None
            if request is None:
                connection.close()
                return
            before = time.perf_counter()
            try:
                headers = {"Content-Type": request[0]}
                connection.request("POST", "/predict", request[1], headers)
                response = connection.getresponse()
                content = json.loads(response.read())
                self.seconds.append(time.perf_counter() - before)
                self.replies.append((request, response.status, content))
            except (http.client.HTTPException, OSError) as error:
                self.lost.append(repr(error))
                connection.close()


def send(port: int, given: Iterator[Request]) -> tuple[list[Client], float]:
    """All clients at once; they, and the seconds that it took."""
    lock = threading.Lock()
    clients = [Client(port, given, lock) for _ in range(CLIENTS)]
    before = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return clients, time.perf_counter() - before


def load(port: int, total: int, said: dict[str, tuple[str, float]]) -> dict[str, Any]:
    """Send a round and compare every reply with what it should be."""
    given = requests(total)
    places = {body: str(number % PHOTOS) for number, (_, body, status, _) in enumerate(given)
              if status == 200}  # fmt: skip
    clients, seconds = send(port, iter(given))
    replies = [reply for client in clients for reply in client.replies]
    wrong, statuses, apart = Counter[str](), Counter[int](), 0.0
    for (_, body, expected, reason), status, content in replies:
        statuses[status] += 1
        if status != expected or not str(content.get("error", "")).startswith(reason):
            wrong[f"{status} {content}"[:200]] += 1
        elif status == 200:
            label, confidence = said[places[body]]
            result = content["results"][0]
            apart = max(apart, abs(result["confidence"] - confidence))
            wrong[f"label {label}"] += result["label"] != label
    taken = sorted(value for client in clients for value in client.seconds)
    return {
        "rate": total / seconds,
        "dropped": total - len(replies),
        "statuses": {str(status): number for status, number in sorted(statuses.items())},
        "wrong": dict(+wrong),
        "apart": apart,
        **{
            f"p{at}": 1000 * taken[min(len(taken) * at // 100, len(taken) - 1)]
            for at in (50, 95, 99)
        },
        "slowest": 1000 * taken[-1],
    }


def until_closed(port: int) -> dict[str, int]:
    """Send photos until nobody takes them."""
    good = [("image/jpeg", photo, 200, "") for photo in photos()]
    clients, _ = send(port, (good[number % PHOTOS] for number in count()))
    statuses = Counter(status for client in clients for _, status, _ in client.replies)
    answered = statuses.pop(200, 0)
    lost = sum(len(client.lost) for client in clients)
    return {"answered": answered, "refused": statuses.total(), "lost": lost}


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`adapt serve` on a free port."""
    command = [sys.executable, "-m", "adapt", "serve", str(folder), "--port", "0"]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.wait(120)


def memory(port: int) -> float:
    """Resident memory of the server in MiB, by its own metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    found = [line for line in lines if line.startswith("process_resident_memory_bytes ")]
    return float(found[0].split()[1]) / 2**20


def apart(*words: object, **given: Any) -> dict[str, Any]:
    """A part of the measurement in a process of its own."""
    command = [sys.executable, "-m", "bench.serving", *map(str, words)]
    done = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(arch: str, rounds: int, stops: int) -> dict[str, Any]:
    """All rounds of one model, and its stops."""
    import adapt

    total = MODELS[arch]
    weights = "embedded" if arch == "adapt-icons-xs" else "random"
    with tempfile.TemporaryDirectory() as place:
        folder = adapt.Classifier.from_clip(arch, weights, NAMES).save(Path(place) / "model")
        loops, loads, sizes = [], [], []
        with server(folder) as (_, port):
            for _ in range(rounds):
                loops.append(apart("--loop", folder, "--total", total))
                loads.append(apart("--load", port, "--total", total, **loops[-1]["said"]))
                sizes.append(memory(port))
                loops[-1].pop("said")
                print(arch, loops[-1]["rate"], loads[-1], sizes[-1], flush=True)
        ends = []
        for _ in range(stops):
            with server(folder) as (process, port):
                timer = threading.Timer(4.0, process.send_signal, [signal.SIGTERM])
                timer.start()
                ends.append(apart("--until-closed", port) | {"code": process.wait(120)})
                print(arch, ends[-1], flush=True)
    return {"loops": loops, "loads": loads, "sizes": sizes, "ends": ends, "total": total}


def row(arch: str, of: dict[str, Any]) -> str:
    """Medians over the rounds."""
    loads = of["loads"]

    def median(key: str) -> float:
        return statistics.median(one[key] for one in loads)

    bare = statistics.median(one["rate"] for one in of["loops"])
    ratio = statistics.median(
        one["rate"] / other["rate"] for one, other in zip(loads, of["loops"], strict=True)
    )
    return (
        f"| {arch} | {of['total']} | {bare:.3g} | {median('rate'):.3g} | {ratio:.2f} | "
        f"{median('p50'):.0f} | {median('p95'):.0f} | {median('p99'):.0f} | "
        f"{max(one['slowest'] for one in loads):.0f} |"
    )


def lines(of: dict[str, dict[str, Any]]) -> list[str]:
    """What is written below the marker of the page."""
    loads = [one for each in of.values() for one in each["loads"]]
    ends = [end for each in of.values() for end in each["ends"]]
    statuses = Counter[str]()
    for one in loads:
        for status, number in one["statuses"].items():
            statuses[status[0]] += number
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    heads = ("requests", "loop/s", "server/s", "ratio", "p50 ms", "p95 ms", "p99 ms", "slowest ms")
    sent = sum(each["total"] * len(each["loads"]) for each in of.values())
    facts = {
        "requests": sent,
        "dropped": sum(one["dropped"] for one in loads),
        "answered with 2xx": statuses["2"],
        "refused with 4xx": statuses["4"],
        "failed with 5xx": statuses["5"],
        "with another status, reason or label than they should": sum(
            sum(one["wrong"].values()) for one in loads
        ),
        "largest difference of a confidence": f"{max(one['apart'] for one in loads):.1e}",
        **{
            f"resident memory after each round, {arch}": ", ".join(
                f"{size:.0f}" for size in each["sizes"]
            )
            + " MiB"
            for arch, each in of.items()
        },
        f"answered in {len(ends)} stops by SIGTERM": sum(end["answered"] for end in ends),
        "lost in these": sum(end["lost"] for end in ends),
        "exit codes": ", ".join(sorted({str(end["code"]) for end in ends})),
    }
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {threads} thread(s) of PyTorch"
    return [
        "",
        f"Machine: {machine}, Python {platform.python_version()}.",
        "",
        f"| model | {' | '.join(heads)} |",
        "|---|" + "---:|" * len(heads),
        *(row(arch, each) for arch, each in of.items()),
        "",
        "| over all rounds | |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in facts.items()),
    ]


def main() -> None:
    """Measure and write, or do one part of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("page", nargs="?", type=Path)
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stops", type=int, default=3)
    parser.add_argument("--total", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    parser.add_argument("--load", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--until-closed", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.loop:
        print(json.dumps(loop(given.loop, given.total)))
    elif given.load:
        print(json.dumps(load(given.load, given.total, json.load(sys.stdin))))
    elif given.until_closed:
        print(json.dumps(until_closed(given.until_closed)))
    else:
        if given.page is None:
            parser.error("give the page to write")
        stored = given.page.with_suffix(".json")
        figures = json.loads(stored.read_text("utf-8")) if stored.is_file() else {}
        for arch in [given.only] if given.only else MODELS:
            figures[arch] = measure(arch, given.rounds, given.stops)
            write_json(stored, figures)
        rewrite_below(given.page, MARKER, lines(figures))


if __name__ == "__main__":
    main()
