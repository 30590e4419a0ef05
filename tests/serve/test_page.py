"""The page: nothing from elsewhere, a policy that holds, and texts that stay texts."""

import re
from pathlib import Path

import pytest

from adapt.models.prediction.uncertainty import Uncertainty
from adapt.serve.page import PAGE, policy
from tests.helpers.browser import CHROMIUM, browser
from tests.helpers.serving import Running, pictures, running
from tests.helpers.tiny import tiny_classifier

MARKUP = "<img src=x onerror=\"document.title='broken'\">"


def test_it_is_one_file_with_a_strict_policy(server: Running) -> None:
    html = PAGE.read_text(encoding="utf-8")
    assert not re.findall(r"https?://|//cdn|@import|innerHTML|insertAdjacentHTML|eval\(", html)
    assert not re.findall(r"\sstyle=|\son[a-z]+=", html)
    reply = server.ask("GET", "/")
    assert (reply.status, reply.content) == (200, html)
    rules = dict(rule.split(" ", 1) for rule in policy(html).split("; "))
    assert reply.headers["content-security-policy"] == policy(html)
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert all("unsafe" not in value and "*" not in value for value in rules.values())


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_person_drops_images(tmp_path: Path) -> None:
    names = [MARKUP, "cat", "dog"]
    own = Uncertainty(
        abstain_below=0.999, abstain_coverage=0.9, conformal_level=0.9, conformal_threshold=0.99,
        unknown_detector="msp", unknown_threshold=0.1,
    )  # fmt: skip
    folder = tiny_classifier(names=names).with_uncertainty(own).save(tmp_path / "model")
    good, bad = tmp_path / "good.png", tmp_path / f"{'<b>bad'}.png"
    good.write_bytes(pictures(1)[0])
    bad.write_bytes(b"no image")
    with running(folder) as server, browser(tmp_path / "profile") as page:
        page.open(f"http://127.0.0.1:{server.port}/")
        page.wait_for("document.querySelector('#model').textContent.includes('3 classes')")
        assert MARKUP in page.run("document.querySelector('#model').textContent")
        page.choose("#files", good, bad)
        page.wait_for("document.querySelectorAll('article').length === 2")
        cards = page.run("[...document.querySelectorAll('article')].map((a) => a.textContent)")
        assert MARKUP in cards[0]
        assert "too unsure to answer" in cards[0]
        assert "90 % of such sets hold the true class" in cards[0]
        assert "not an image - text" in cards[1]
        assert "<b>bad.png" in cards[1]
        assert page.run("document.querySelectorAll('article img').length") == 2
        page.run(
            "document.querySelector('#classes').value = 'a red car, <b>bold';"
            "document.querySelector('#classes').dispatchEvent(new Event('change'))"
        )
        page.wait_for("document.querySelector('article').textContent.includes('<b>bold')")
        assert page.run("document.querySelectorAll('article b').length") == 0
        assert page.run("document.title") == "adapt"
        assert not page.errors
