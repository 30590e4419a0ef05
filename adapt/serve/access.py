"""The bearer token: where it comes from, and whether a request has it."""

import hashlib
import hmac
import os
from http import HTTPStatus
from pathlib import Path

from adapt.common.typed import resolve_path
from adapt.errors import RecipeError
from adapt.serve.answers import Refusal

VARIABLE = "ADAPT_SERVE_TOKEN"
SHORTEST = 16
LONGEST = 4096


def read_token(file: Path | None) -> str | None:
    """The token from a file or the environment; None without one.

    A command line is no place for it: every user of the machine can read that.

    Args:
        file: Holds the token and nothing else; without a file the variable `ADAPT_SERVE_TOKEN`
            is read.

    Raises:
        RecipeError: When the file cannot be read, or the token is too short or has blanks.
    """
    place, text = f"${VARIABLE}", os.environ.get(VARIABLE)
    if file is not None:
        place = str(file)
        try:
            with resolve_path(file).open(encoding="utf-8") as stream:
                text = stream.read(LONGEST + 1)
        except (OSError, ValueError) as error:
            advice = "give a file with the token"
            raise RecipeError(f"{file} - cannot be read - {error} - {advice}") from error
    if text is None:
        return None
    token = text.strip()
    if not SHORTEST <= len(token) <= LONGEST or not all("!" <= sign <= "~" for sign in token):
        raise RecipeError(
            f"{place} - not a token - {len(token)} characters - give {SHORTEST} or more letters, "
            "digits and signs without blanks, such as from `openssl rand -hex 32`"
        )
    return token


class Access:
    """Lets requests with the token in, or all of them where there is none.

    Args:
        token: What `read_token` gave.

    >>> Access(None).check(None)
    """

    def __init__(self, token: str | None) -> None:
        self._digest = None if token is None else _digest(token)

    @property
    def has_token(self) -> bool:
        """Whether one is needed."""
        return self._digest is not None

    def check(self, authorization: str | None) -> None:
        """Check the header `Authorization`, in a time that does not depend on the token.

        Raises:
            Refusal: With status 401, when there is none or it is another.
        """
        if self._digest is None:
            return
        scheme, _, given = (authorization or "").partition(" ")
        same = hmac.compare_digest(_digest(given.strip()), self._digest)
        if scheme.lower() != "bearer" or not same:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "no valid token - send `Authorization: Bearer TOKEN`",
                {"WWW-Authenticate": "Bearer"},
            )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
