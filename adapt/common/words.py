"""Words, ranges and sentences that settings and messages share.

Every sentence raised reads *field - what is wrong - what was given - what to do*; the loader puts
the key path and the line in front. One `ValueError` may hold several sentences, one per line.
"""

import re
from collections.abc import Iterable, Sequence

from adapt.errors import did_you_mean

MISSING = "???"
"""A value that a recipe leaves for its user to give."""


def any_case(word: str) -> str:
    """A pattern for a word in small and large letters.

    >>> any_case("con")
    '[cC][oO][nN]'
    """
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


_DEVICES = [*map(any_case, ("con", "prn", "aux", "nul"))]
_DEVICES += [f"{any_case(word)}[0-9]" for word in ("com", "lpt")]
DEVICE_NAMES = re.compile("|".join(_DEVICES))
"""Names that Windows keeps for devices, whatever follows their first dot."""
FILE_NAME = rf"(?!(?:{'|'.join(_DEVICES)})$)[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}"
"""Pattern of a name that can be part of a file name on every system."""


def is_file_name(text: str) -> bool:
    """Whether a name can be part of a file name on every system.

    >>> is_file_name("blur_3"), is_file_name("../blur"), is_file_name("NUL")
    (True, False, False)
    """
    return re.fullmatch(FILE_NAME, text) is not None


def listed(words: Sequence[object]) -> str:
    """Words in one line."""
    return ", ".join(str(word) for word in words)


def check_choice(name: str, given: str, known: Sequence[str]) -> list[str]:
    """A sentence when a value is not one of the known ones."""
    if given in known or given == MISSING:
        return []
    hint = did_you_mean(given, known)
    return [f"{name} - not known{hint} - {given!r} - choose one of {listed(known)}"]


def refuse(sentences: Sequence[str]) -> None:
    """Raise what is wrong, if anything is.

    Raises:
        ValueError: With all sentences, one per line.
    """
    if sentences:
        raise ValueError("\n".join(sentences))


def first_few(names: Iterable[str], most: int = 5, separator: str = ", ") -> str:
    """The first names, and dots for the rest.

    >>> first_few("abcdefg"), first_few("abc", most=2, separator="; ")
    ('a, b, c, d, e, ...', 'a; b; ...')
    """
    shown = list(names)
    return separator.join([*shown[:most], "..."] if len(shown) > most else shown)


def printable(text: str) -> str:
    r"""Text in one line, with all that a terminal obeys or hides written as an escape.

    >>> printable("a\nb\u202e\udce9 c")
    'a\\nb\\u202e\\udce9 c'
    """
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def plural(count: int, word: str) -> str:
    """A count with its noun.

    >>> plural(1, "error"), plural(1234, "image"), plural(2, "class")
    ('1 error', '1,234 images', '2 classes')
    """
    ending = "" if count == 1 else "es" if word.endswith("s") else "s"
    return f"{count:,} {word}{ending}"


def size_text(size: int) -> str:
    """Bytes in the unit that a reader takes in at once.

    >>> size_text(1), size_text(999), size_text(1_500_000), size_text(20 * 10**9)
    ('1 byte', '999 bytes', '1.5 MB', '20.0 GB')
    """
    for unit, worth in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size >= worth:
            return f"{size / worth:.1f} {unit}"
    return plural(size, "byte")
