"""The page of a search: answers in order, and nothing that a name could do."""

from typing import Any

from adapt.report.explore.search import render_search, score, title

HOSTILE = '<script>alert("1")</script>'
URI = "data:image/jpeg;base64,AAAA"


def content(**more: Any) -> dict[str, Any]:
    query = {"images": [], "minus": ["beach"], "said": f"{HOSTILE} - beach"}
    return {
        "index": "out", "images": 1200, "model": "model", "method": "exact", "adapt": "0",
        "captions": None, "query": query | {"weights": {"minus": 0.5}},
        "answers": [{"path": f"/photos/{HOSTILE}", "score": 0.31249}, {"path": "b", "score": 0.2}],
    } | more  # fmt: skip


def test_answers_come_in_order_with_their_pictures() -> None:
    page = render_search(content(), {f"/photos/{HOSTILE}": URI})
    assert page.count("<img") == 1
    assert "the image cannot be read here" in page
    assert page.index("0.312") < page.index("0.200")
    assert "in 1,200 images of out" in page
    assert "The features of beach were subtracted, 0.5 times." in page
    assert "approximate" not in page
    assert "approximate" in render_search(content(method="faiss"), {})


def test_names_do_nothing() -> None:
    page = render_search(content(), {})
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page


def test_captions_are_a_table() -> None:
    query = {"images": ["/photos/bus.jpg"]}
    answers = [{"caption": "a bus", "score": 0.3}]
    given = content(captions="captions.txt", query=query, answers=answers)
    page = render_search(given, {"/photos/bus.jpg": URI})
    assert title(given) == "Captions for bus.jpg"
    assert "<td>a bus</td><td>0.300</td>" in page
    assert page.count("<img") == 1
    assert score(-0.5) == "-0.500"
