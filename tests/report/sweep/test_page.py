"""The pages of a sweep: what failed, links, figures, and nothing that a name could do."""

import re
from pathlib import Path

from adapt.report.sweep import write_pages
from adapt.report.sweep.page import render
from tests.helpers.sweeps import made_up_sweep

HOSTILE = "<script>alert('1')</script>"


def test_both_pages_and_a_figure_for_each_key(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path, failed={"lr-1e-3_balance-none_seed-2": "no | luck"})
    pages = write_pages(tmp_path, content)
    html, markdown = (page.read_text() for page in pages)
    assert [page.name for page in pages] == ["sweep.html", "sweep.md"]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "key-1.png", "key-1.svg", "key-2.png", "key-2.svg",
    ]  # fmt: skip
    assert html.count("<svg role") == 2
    order = [html.index(f'id="{name}"') for name in ("summary", "failed", "settings", "keys")]
    assert order == sorted(order)
    assert "<b>1 of 18 runs failed</b>" in html
    links = re.findall(r'href="(runs/[^"]*)"', html)
    assert len(links) == 17
    for link in links:
        assert (tmp_path / link).parent.is_dir()
    assert 'href="logs/lr-1e-3_balance-none_seed-2.txt"' in html
    assert r"no \| luck" in markdown
    assert markdown.count("![") == 2
    assert "\n\n\n" not in markdown


def test_nothing_has_finished(tmp_path: Path) -> None:
    names = ("a-1", "a-2")
    content = made_up_sweep(tmp_path, ("a=1,2",), dict.fromkeys(names, "no luck"))
    html, markdown = (page.read_text() for page in write_pages(tmp_path, content))
    assert "No run has finished" in html
    assert "no luck" in markdown
    assert not (tmp_path / "figures").exists()


def test_no_name_runs(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path, (f'a=1,"{HOSTILE}"',), {"a-1": HOSTILE})
    content["name"] = content["plan"]["recipe"] = content["runs"][1]["name"] = HOSTILE
    content["settings"][0]["runs"] = [HOSTILE]
    assert content["best"] == {"a": HOSTILE}
    for name in ("sweep.html", "sweep.md"):
        text = re.sub(r"```.*?```", "", render(content, [], {}, name), flags=re.DOTALL)
        assert "<script" not in text  # a fence shows everything as it is
