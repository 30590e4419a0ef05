"""A new model takes the place of the old one only when it has proved itself."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapt.errors import AdaptError, BundleError
from adapt.models.bundle.manifest import HEAD
from adapt.models.classifier import Classifier
from adapt.serve.answers import Refusal
from adapt.serve.hosting import KEPT_HEADS, Host, ServedModel
from tests.helpers.serving import TOKEN, pictures, running
from tests.helpers.tiny import moved, tiny_classifier

BEARER = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "image/png"}


def put_in_place(model: Classifier, folder: Path) -> None:
    shutil.rmtree(folder)
    model.save(folder)


def test_what_is_no_model_is_not_served(tmp_path: Path, served_folder: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        Host(tmp_path, "cpu")
    folder = Path(shutil.copytree(served_folder, tmp_path / "model"))
    (folder / HEAD).write_bytes(b"\0" * 100)
    with pytest.raises(BundleError, match="altered"):
        Host(folder, "cpu")


def test_reload_under_load_drops_nothing(served_folder: Path, tmp_path: Path) -> None:
    """Every answer is that of the model which it names; a broken one changes nothing."""
    folder = Path(shutil.copytree(served_folder, tmp_path / "model"))
    second = moved(tiny_classifier(), size=0.2)
    images = pictures(6)
    with running(folder, TOKEN) as server, ThreadPoolExecutor(6) as pool:
        host = server.service.host
        answers = {host.model.name: host.model.classifier.predict(images)}

        def ask(number: int) -> tuple[int, dict[str, object]]:
            reply = server.ask("POST", "/predict", images[number % 6], **BEARER)
            assert reply.status == 200
            return number % 6, reply.content

        asked = [pool.submit(ask, number) for number in range(60)]
        put_in_place(second, folder)
        reloaded = server.ask("POST", "/reload", **BEARER)
        assert reloaded.status == 200
        asked += [pool.submit(ask, number) for number in range(60)]
        answers[host.model.name] = second.predict(images)
        names = set()
        for future in asked:
            number, content = future.result()
            names.add(content["model"])
            expected = answers[str(content["model"])][number].confidence
            assert content["results"][0]["confidence"] == pytest.approx(expected, abs=1e-6)  # type: ignore[index]
        assert names == set(answers)
        assert reloaded.content == {"model": host.model.name}
        (folder / HEAD).write_bytes(b"\0")
        broken = server.ask("POST", "/reload", **BEARER)
        assert broken.status == 422
        assert str(tmp_path) not in str(broken.content)
        assert broken.content["error"].startswith("the new model was refused, the old one stays")
        assert server.ask("POST", "/predict", images[0], **BEARER).status == 200
        text = server.ask("GET", "/metrics", **BEARER).content
        assert 'adapt_reloads_total{result="done"} 1.0' in text
        assert 'adapt_reloads_total{result="refused"} 1.0' in text


def test_one_reload_at_a_time(served_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(served_folder, "cpu")
    inner: list[int] = []

    def during(path: Path, device: str) -> ServedModel:
        with pytest.raises(Refusal) as caught:
            host.reload()
        inner.append(caught.value.status)
        raise AdaptError("stop here")

    monkeypatch.setattr(ServedModel, "open", during)
    before = host.model
    with pytest.raises(Refusal):
        host.reload()
    assert (inner, host.model is before) == ([503], True)


def test_heads_of_other_classes_are_kept_but_not_for_ever(served_folder: Path) -> None:
    model = ServedModel.open(served_folder, "cpu")
    first = model.with_classes(("cat", "dog"), 20)
    assert model.with_classes(("cat", "dog"), 20) is first
    for number in range(KEPT_HEADS):
        model.with_classes(("cat", f"dog {number}"), 20)
    assert model.with_classes(("cat", "dog"), 20) is not first


def test_a_learned_head_takes_no_other_classes(tmp_path: Path) -> None:
    model = ServedModel.open(moved(tiny_classifier()).save(tmp_path / "model"), "cpu")
    assert model.facts()["takes_classes"] is False
    with pytest.raises(Refusal, match="fitted to its own classes"):
        model.with_classes(("cat", "dog"), 20)
