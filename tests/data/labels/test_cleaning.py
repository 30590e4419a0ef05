"""Words of folder names, and names that are left alone."""

import pytest

from adapt.data.labels.cleaning import cleaned_words


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("golden_retriever", "golden retriever"),
        ("GoldenRetriever", "golden retriever"),
        ("goldenRetriever", "golden retriever"),
        ("001.Black_footed_Albatross", "black footed albatross"),
        ("12-rose", "rose"),
        ("3) tulip", "tulip"),
        ("n02099601-golden_retriever", "golden retriever"),
        ("n02099601", "n02099601"),
        ("golden.retriever", "golden retriever"),
        ("St. Bernard", "st. bernard"),
        ("HTTPServer", "http server"),
        ("Boeing 737", "boeing 737"),
        ("747 jet", "jet"),
        ("3d printer", "3d printer"),
        ("iPhone", "iphone"),
        ("TV", "tv"),
        ("T-shirt", "t shirt"),
        ("ÉcoleNormale", "école normale"),
        ("class_03", "class 03"),
        ("0", "0"),
        ("кошка", "кошка"),
    ],
)
def test_words(key: str, expected: str) -> None:
    assert cleaned_words(key) == expected
    assert cleaned_words(expected) == expected
