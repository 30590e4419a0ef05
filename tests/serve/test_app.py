"""What clients get: predictions equal to the model's own, a status per image, limits."""

import base64
import hashlib
import http.client
import json
import socket
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.data.decoding.open import open_image
from adapt.export.load import load
from adapt.export.write import export
from adapt.models.classifier import Classifier
from adapt.models.prediction.stream import Prediction, Predictor
from adapt.models.templates import resolve_templates
from tests.helpers.serving import BAD, TOKEN, Running, at_once, form, pictures, running


def as_json(answer: Prediction, top: int = 5) -> dict[str, Any]:
    """What a client should get for a prediction of a model with every threshold."""
    return {
        "status": 200,
        "label": answer.label,
        "confidence": answer.confidence,
        "top": [{"label": name, "probability": value} for name, value in answer.top[:top]],
        "abstained": answer.abstained,
        "set": list(answer.labels),
        "unknown": answer.unknown,
    }


def in_json(images: list[bytes]) -> bytes:
    return json.dumps({"images": [base64.b64encode(image).decode() for image in images]}).encode()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds nothing."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_one_image_in_every_form(server: Running, served_model: Classifier) -> None:
    image = pictures(1)[0]
    expected = [as_json(served_model.predict([image])[0])]
    body, kind = form(("a.png", "image/png", image))
    for sent, name in [
        (image, "image/png"),
        (image, "application/octet-stream"),
        (in_json([image]), "application/json; charset=utf-8"),
        (body, kind),
    ]:
        reply = server.predict(sent, name)
        assert (reply.status, reply.results) == (200, expected)
        assert reply.headers["x-request-id"] == reply.content["request_id"]
    assert server.predict(image, query="?top=2").results == [
        {**expected[0], "top": expected[0]["top"][:2]}
    ]


def test_images_of_one_request_are_one_batch_bit_equal_to_predict(
    server: Running, served_model: Classifier
) -> None:
    images = pictures(8)
    expected = [as_json(answer) for answer in served_model.predict(images, batch_size=8)]
    body, kind = form(*((f"{n}.png", "image/png", image) for n, image in enumerate(images)))
    assert server.predict(body, kind).results == expected
    assert server.predict(in_json(images), "application/json").results == expected


def test_an_export_answers_as_its_model(served_model: Classifier, tmp_path: Path) -> None:
    folder = export(served_model, tmp_path / "lean", "lean")
    images = pictures(3)
    expected = load(folder).predict(images)
    with running(folder) as server:
        results = server.predict(in_json(images), "application/json").results
        for result, own, answer in zip(
            results, expected, served_model.predict(images), strict=True
        ):
            assert [item["label"] for item in result["top"]] == [name for name, _ in own.top]
            assert result["confidence"] == pytest.approx(own.confidence, abs=1e-6)
            assert result["confidence"] == pytest.approx(answer.confidence, abs=1e-6)
            assert (result["set"], result["unknown"]) == (list(own.labels), own.unknown)
        assert server.ask("GET", "/model").content["base"].endswith(" as lean")
        refused = server.predict(images[0], query="?class=a&class=b")
        assert (refused.status, "fitted to its own classes" in refused.content["error"]) == (
            400,
            True,
        )


def test_each_image_has_its_own_result_or_error(server: Running, served_model: Classifier) -> None:
    first, second = pictures(2)
    bad = list(BAD)
    files = [first, *bad, first[:70], second]
    body, kind = form(*(("x", "image/png", file) for file in files), ("x", "text/html", first))
    reply = server.predict(body, kind)
    assert reply.status == 200
    assert [item["status"] for item in reply.results] == [
        200,
        *(s for s, _ in BAD.values()),
        422,
        200,
        415,
    ]
    for item, (_, reason) in zip(reply.results[1:], BAD.values(), strict=False):
        assert item["error"].startswith(reason)
    assert reply.results[4]["error"].startswith("damaged or truncated image")
    assert reply.results[6]["error"].startswith("Content-Type - not one that is read - 'text/html'")
    assert [reply.results[0], reply.results[5]] == [
        as_json(answer) for answer in served_model.predict([first, second])
    ]
    not_text = json.dumps({"images": [base64.b64encode(first).decode(), "?", 3]}).encode()
    results = server.predict(not_text, "application/json").results
    assert [item["status"] for item in results] == [200, 422, 422]


def test_one_bad_image_has_a_status_of_its_own(server: Running) -> None:
    for file, (status, reason) in BAD.items():
        reply = server.predict(file, "application/octet-stream")
        assert reply.status == status
        assert reply.content["error"].startswith(reason)
        assert set(reply.content) == {"error", "request_id"}


@pytest.mark.parametrize(
    ("body", "kind", "status", "reason"),
    [
        (b"{", "application/json", 400, "body - not JSON"),
        (b"[" * 100_000, "application/json", 400, "body - not JSON"),
        (b'{"images": "x"}', "application/json", 400, "body - no list of images"),
        (b'{"images": [], "image": 1}', "application/json", 400, "body - key not known, did you"),
        (b'{"images": []}', "application/json", 400, "images - empty"),
        (json.dumps({"images": [""] * 9}).encode(), "application/json", 413, "images - too many"),
        (b"--edge", "multipart/form-data; boundary=edge", 400, "images - empty"),
        (b"none", "multipart/form-data; boundary=edge", 400, "form - cannot be read"),
        (b"x", "multipart/form-data", 400, "form - cannot be read - Missing boundary"),
        (form(("a", "image/png", b"x"), field="f")[0], "multipart/form-data; boundary=edge", 400,
         "form - not an image - file 'f'"),
        (form(*[("a", "image/png", b"x")] * 10)[0], "multipart/form-data; boundary=edge", 400,
         "form - cannot be read - Too many files"),
        (b"<html>", "text/html", 415, "Content-Type - not one that is read - 'text/html'"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "Content-Type"),
    ],
)  # fmt: skip
def test_requests_that_are_refused(
    server: Running, body: bytes, kind: str, status: int, reason: str
) -> None:
    reply = server.predict(body, kind)
    assert (reply.status, reply.content["error"][: len(reason)]) == (status, reason)
    assert reply.content["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("?top=0", "top - not a whole number - '0'"),
        ("?top=99999", "top - not a whole number"),
        ("?top=x", "top - not a whole number"),
        ("?tops=1", "'tops' - not known"),
        ("?class=cat", "class - 1 given - give 2 to 20"),
        ("?" + "&".join(f"class=c{n}" for n in range(21)), "class - 21 given - give 2 to 20"),
        ("?class=a&class=" + "b" * 101, "class - a name is too long"),
        ("?class=cat&class=cat", "class_names - "),
        ("?class=cat&class=", "class_names - "),
    ],
)
def test_options_that_are_refused(server: Running, query: str, reason: str) -> None:
    reply = server.predict(pictures(1)[0], query=query)
    assert (reply.status, reply.content["error"][: len(reason)]) == (400, reason)


def test_hostile_requests(server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    image = pictures(1)[0]
    large = server.predict(b"\xff" * 50_000_000)
    assert large.status == 413
    assert large.content["error"].startswith("body too large - more than 4000000 bytes")
    wide = server.predict(png_header(20_000, 10_000))
    assert wide.status == 413
    assert wide.content["error"].startswith("too many pixels - 200000000 pixels in the header")
    assert "max_pixels" not in wide.content["error"]
    for name in ("../../outside.png", "/etc/passwd", "a\\..\\b"):
        body, kind = form((name, "image/png", image))
        reply = server.predict(body, kind)
        assert (reply.status, name in json.dumps(reply.content)) == (200, False)
    packed = server.ask(
        "POST", "/predict", image, Content_Type="image/png", Content_Encoding="gzip"
    )
    assert packed.status == 415
    assert not list(tmp_path.iterdir())
    assert server.predict(image).status == 200


def test_a_body_that_is_too_long_without_saying_so(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    parts = (b"x" * 1_000_000 for _ in range(9))
    connection.request(
        "POST", "/predict", parts, {"Content-Type": "image/png"}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_other_classes_are_answered_from_texts(server: Running, served_model: Classifier) -> None:
    """The same as a zero-shot model with these names and weights."""
    own, names = served_model.backbone, ["a cat", "red_car"]
    images, templates = pictures(2), resolve_templates(["simple"])
    words = [
        [template.replace("{}", name.replace("_", " ")) for template in templates] for name in names
    ]
    with torch.no_grad():
        heads = torch.stack([own.encode_text(texts).mean(0) for texts in words])
        heads = heads / heads.norm(dim=1, keepdim=True)
        pixels = torch.stack([own.preprocessing(open_image(image)) for image in images])
        cosines = own.encode_image(pixels) @ heads.T
        expected = torch.softmax((cosines * own.scale).double(), 1)
    reply = server.predict(in_json(images), "application/json", "?class=a%20cat&class=red_car")
    for item, row in zip(reply.results, expected.tolist(), strict=True):
        given = {top["label"]: top["probability"] for top in item["top"]}
        assert given == pytest.approx(dict(zip(names, row, strict=True)), abs=1e-5)
        assert (item["set"], item["abstained"], item["unknown"]) == (None, None, None)


def test_what_is_said_of_model_and_server(
    server: Running, served_model: Classifier, served_folder: Path
) -> None:
    name = hashlib.sha256((served_folder / "classifier.json").read_bytes()).hexdigest()[:12]
    model = server.ask("GET", "/model").content
    assert model["class_names"] == served_model.class_names
    assert (model["model"], model["takes_classes"], model["set_level"]) == (name, True, 0.9)
    assert model["limits"]["body_bytes"] == 4_000_000
    assert server.ask("GET", "/health").content == {"status": "alive"}
    assert server.ask("GET", "/ready").content == {"status": "ready", "model": name}
    missing, wrong = server.ask("GET", "/nothing"), server.ask("GET", "/predict")
    assert (missing.status, wrong.status) == (404, 405)
    assert set(missing.content) == set(wrong.content) == {"error", "request_id"}
    assert server.ask("POST", "/reload").status == 403


def test_the_token(guarded: Running) -> None:
    image, kind = pictures(1)[0], "image/png"
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        for verb, path in [
            ("POST", "/predict"),
            ("GET", "/model"),
            ("GET", "/metrics"),
            ("POST", "/reload"),
        ]:
            reply = guarded.ask(
                verb, path, image if verb == "POST" else None, Content_Type=kind, **given
            )
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    for path in ("/health", "/ready", "/openapi.json", "/"):
        assert guarded.ask("GET", path).status == 200
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.ask("POST", "/predict", image, Content_Type=kind, **good).status == 200
    assert (
        guarded.ask("POST", "/reload", **good).content["model"] == guarded.service.host.model.name
    )


def test_too_much_to_do_and_too_late(served_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, may_go_on = pictures(1)[0], threading.Event()
    own = Predictor.answers

    def slow(self: Predictor, *given: Any) -> Any:
        may_go_on.wait(20)
        return own(self, *given)

    monkeypatch.setattr(Predictor, "answers", slow)
    with running(served_folder, max_waiting=2, timeout=1.0, max_held_megabytes=0.02) as server:
        full = server.predict(in_json([image] * 3), "application/json")
        assert (full.status, full.headers["retry-after"]) == (503, "1")
        assert full.content["error"].startswith("too many images wait")
        held = server.predict(b"x" * 20_001)
        assert (held.status, held.content["error"][:14]) == (503, "too many bytes")
        late = server.predict(image)
        assert (late.status, late.content["error"][:20]) == (504, "not answered in time")
        may_go_on.set()
        assert server.predict(image).status == 200


def test_a_slow_sender_is_told_so(served_folder: Path) -> None:
    with (
        running(served_folder, timeout=0.3) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as client,
    ):
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        client.settimeout(20)
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_load_with_bad_images(server: Running, served_model: Classifier) -> None:
    """A small version of `bench/serving.py`."""
    images, bad = pictures(20), list(BAD)
    bodies = [bad[n % 3] if n % 10 == 3 else images[n % 20] for n in range(200)]
    expected = dict(zip(images, served_model.predict(images), strict=True))
    replies = at_once(server.port, bodies, threads=16)
    for body, reply in zip(bodies, replies, strict=True):
        if body in BAD:
            assert (reply.status, reply.content["error"][:10]) == (BAD[body][0], BAD[body][1][:10])
        else:
            assert reply.status == 200
            assert reply.results[0]["label"] == expected[body].label
            assert reply.results[0]["confidence"] == pytest.approx(
                expected[body].confidence, abs=1e-6
            )


def test_a_server_that_computes_no_more_is_not_healthy(served_folder: Path) -> None:
    with running(served_folder) as server:
        assert server.ask("GET", "/health").status == 200
        server.service._computing.get_loop().call_soon_threadsafe(server.service._computing.cancel)
        end = time.monotonic() + 10
        while server.ask("GET", "/health").status == 200 and time.monotonic() < end:
            time.sleep(0.02)
        assert server.ask("GET", "/health").status == 503
