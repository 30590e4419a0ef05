"""The page of a search: what was asked, and the answers with their pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.report.templating import environment


@dataclass(frozen=True)
class HitCard:
    """One image; `image` is a data URI, or None where it cannot be shown."""

    name: str
    path: str
    image: str | None
    score: str = ""


def render_search(content: Mapping[str, Any], thumbnails: Mapping[str, str]) -> str:
    """The text of the page, which needs no other file.

    Args:
        content: As `adapt search --json` prints it.
        thumbnails: Data URIs by path.
    """
    ranking = content["captions"] is not None
    answers = content["answers"]
    asked = [_card(path, thumbnails) for path in content["query"]["images"]]
    hits = [] if ranking else [
        _card(answer["path"], thumbnails, score(answer["score"])) for answer in answers
    ]  # fmt: skip
    rows = [(answer["caption"], score(answer["score"])) for answer in answers] if ranking else []
    return (
        environment()
        .get_template("search.html.j2")
        .render(content=content, title=title(content), asked=asked, hits=hits, rows=rows)
    )


def title(content: Mapping[str, Any]) -> str:
    """What was asked, in words.

    >>> title({"captions": "a.txt", "query": {"images": ["photos/bus.jpg"]}})
    'Captions for bus.jpg'
    """
    if content["captions"] is not None:
        return f"Captions for {Path(content['query']['images'][0]).name}"
    return str(content["query"]["said"])


def score(value: float) -> str:
    """A cosine as it is shown.

    >>> score(0.31249)
    '0.312'
    """
    return f"{value:.3f}"


def _card(path: str, thumbnails: Mapping[str, str], value: str = "") -> HitCard:
    return HitCard(Path(path).name, path, thumbnails.get(path), value)
