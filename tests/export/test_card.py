"""A short card holds names as they are, whatever is in them."""

import yaml

from adapt.export.card import SHOWN, CardFacts, short_card

BASE = {"arch": "ViT-B-32", "pretrained": "`x`\n# y", "base_hash": "ab" * 32}


def test_what_it_says() -> None:
    text = short_card("pets\n---", CardFacts("a bundle", "1.2", BASE, ["cat", "dog"]), ["Use it."])
    nothing, front, body = text.split("---\n", 2)
    assert nothing == ""
    assert yaml.safe_load(front)["library_name"] == "open_clip"
    assert body == (
        "\n# pets ---\n\nA CLIP (`ViT-B-32`, weights `x # y`) that tells 2 classes apart, "
        f"as a bundle of adapt `1.2`. SHA-256 of the base weights: `{'ab' * 32}`.\n\n"
        "Use it.\n\nClasses:\n\n"
        "    cat\n    dog\n"
    )


def test_many_classes_are_counted() -> None:
    names = [f"class {number}" for number in range(SHOWN + 7)]
    assert short_card("a", CardFacts("a bundle", "1", BASE, names), []).endswith(
        f"    class {SHOWN - 1}\n    and 7 more\n"
    )
