"""Serve a model and call it: an own error for each image, and other class names.

The server is `adapt serve runs/quickstart/model`; a client needs nothing but Python.
"""

import base64
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import adapt

images = adapt.Images.from_embedded("pictograms", "solid", "test")
names = [images.classes[key] for key in images.class_names]
model = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
folder = model.save(Path(tempfile.mkdtemp()) / "model")
command = [sys.executable, "-m", "adapt", "serve", str(folder), "--port", "0"]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
    address = server.stdout.readline().split()[-1]  # model 0123456789ab on cpu: http://...

    def post(body: bytes, kind: str, **query: list[str]) -> list[dict]:
        """Results, one for each image."""
        url = f"{address}/predict?{urlencode(query, doseq=True)}"
        asked = urllib.request.Request(url, body, {"Content-Type": kind})
        return json.load(urllib.request.urlopen(asked, timeout=60))["results"]

    photos = [Path(path).read_bytes() for path in images.paths[:40:20]]
    several = [base64.b64encode(file).decode() for file in [*photos, b"not an image"]]
    for result in post(json.dumps({"images": several}).encode(), "application/json"):
        print(result["status"], result.get("label") or result["error"])
    others = {"class": ["an animal", "a vehicle", "a building"]}  # without training
    print(post(photos[0], "image/png", **others)[0]["top"])
    server.terminate()  # what was taken is answered first
