"""Serve a model and call it: one image, several at once with a bad one, and other class names.

    adapt serve runs/quickstart/model --port 8000
    python 08_serve_and_call.py http://127.0.0.1:8000 photo.jpg other.png

Without arguments it starts a server of a small model first. A client needs nothing but Python;
with a token, set ADAPT_SERVE_TOKEN for both.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode


def started_here() -> tuple[subprocess.Popen[str], str, list[str]]:
    """A server on a free port, its address, and two images."""
    import adapt

    images = adapt.Images.from_embedded("pictograms", "solid", "test")
    names = [images.classes[key] for key in images.class_names]
    model = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
    folder = model.save(Path(tempfile.mkdtemp()) / "model")
    command = [sys.executable, "-m", "adapt", "serve", str(folder), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()  # model 0123456789ab on cpu: http://127.0.0.1:PORT
    return server, line.split()[-1], [str(path) for path in images.paths[:40:20]]


def post(address: str, body: bytes, kind: str, **query: object) -> dict:
    """What the server says; for a refusal too that is JSON."""
    asked = urllib.request.Request(f"{address}/predict?{urlencode(query, doseq=True)}", body)
    asked.add_header("Content-Type", kind)
    if token := os.environ.get("ADAPT_SERVE_TOKEN"):
        asked.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return json.load(error) | {"status": error.code}


server, address, photos = None, *(sys.argv[1:2] or [""]), sys.argv[2:]
if not address:
    server, address, photos = started_here()
files = [Path(photo).read_bytes() for photo in photos]
try:
    single = post(address, files[0], "application/octet-stream", top=3)
    print(single["results"][0]["label"], single["results"][0]["top"])

    several = [base64.b64encode(file).decode() for file in [*files, b"not an image"]]
    answers = post(address, json.dumps({"images": several}).encode(), "application/json")
    for name, result in zip([*photos, "a bad one"], answers["results"], strict=True):
        print(Path(name).name, result["status"], result.get("label") or result["error"])

    # Models whose head comes from their text encoder take other class names.
    names = ["an animal", "a vehicle", "a building"]
    other = post(address, files[0], "application/octet-stream", **{"class": names})
    print(other["results"][0]["label"] if "results" in other else other["error"])

    bad = post(address, b"<html>", "image/jpeg")
    print(bad["status"], bad["error"])
finally:
    if server is not None:
        server.terminate()  # what was taken is answered first
        server.wait()
