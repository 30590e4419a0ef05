"""Words for folder names that were written for a computer."""

import re

from adapt.data.labels.classes import default_words, normal

_SYNSET = re.compile(r"^n\d{8}[\s._-]+(?=[^\W\d_])")
_NUMBER = re.compile(r"^\d+\s*[.)\s_-]\s*(?=[^\W\d_])")
# Before a capital after small letters, and before the last of several capitals: HTTPServer.
_JOINED = re.compile(r"(?<=[a-zß-ÿ]{2})(?=[A-ZÀ-Þ])|(?<=[A-ZÀ-Þ])(?=[A-ZÀ-Þ][a-zß-ÿ]{2})")


def cleaned_words(key: str) -> str:
    """The words in a class key: split, in lower case, without a number or synset before them.

    What stands behind the words is kept: `Boeing 737` is no `boeing`.

    >>> cleaned_words("GoldenRetriever"), cleaned_words("001.Black_footed_Albatross")
    ('golden retriever', 'black footed albatross')
    >>> cleaned_words("n02099601-golden_retriever"), cleaned_words("iPhone"), cleaned_words("7")
    ('golden retriever', 'iphone', '7')
    """
    text = _NUMBER.sub("", _SYNSET.sub("", normal(key).strip()))
    text = _JOINED.sub(" ", text)
    if " " not in text.strip():  # `st. bernard` has its dot, `st.bernard` two words
        text = re.sub(r"(?<=[^\W\d_])[.+](?=[^\W\d_])", " ", text)
    return default_words(text).lower()
