"""The page at `/`: one file without anything from elsewhere, and a policy that allows no more."""

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response

PAGE = Path(__file__).with_name("page.html")


@lru_cache(maxsize=1)
def _content() -> tuple[bytes, str]:
    content = PAGE.read_bytes()
    return content, policy(content.decode())


def policy(html: str) -> str:
    """A Content-Security-Policy that allows the page's own script and style, by their hashes.

    >>> policy("<style>a{}</style><script>1</script>").split("; ")[0]
    "default-src 'none'"
    """
    rules = {
        "default-src": "'none'",
        "script-src": _hash_of("script", html),
        "style-src": _hash_of("style", html),
        "img-src": "blob: data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash_of(tag: str, html: str) -> str:
    parts = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digest = hashlib.sha256("".join(parts).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def page_response() -> Response:
    """The page with its policy."""
    content, rules = _content()
    return Response(
        content,
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": rules, "Referrer-Policy": "no-referrer"},
    )
