"""File names that do not survive the way to another system."""

import pytest

from adapt.checks.findings.file_names import file_name_findings, name_problem
from adapt.checks.findings.finding import Place

RESERVED = "is reserved on Windows"
HIDDEN = "holds a line end, control or invisible character"
PROBLEMS = {
    "CON.png": RESERVED,
    "con": RESERVED,
    "Nul.tar.gz": RESERVED,
    "COM1.jpg": RESERVED,
    "lpt9": RESERVED,
    "CON .png": RESERVED,
    "a.": "ends in a dot or blank",
    "a.png ": "ends in a dot or blank",
    "what?.png": "holds a character that Windows does not take",
    "a\\b.png": "holds a character that Windows does not take",
    "a\nb.png": HIDDEN,
    "a\x1b[31m.png": HIDDEN,
    "a\u202egnp.exe": HIDDEN,
    "a\u2028b.png": HIDDEN,
    "caf\udce9.png": "is not UTF-8",
    "n" * 252 + ".png": "has more than 255 bytes",
    "\u00e9" * 126 + ".png": "has more than 255 bytes",
}
GOOD = [
    "cat.png",
    "console.png",
    "COM10.png",
    "a.b.png",
    "\u00e9\u4e2d.png",
    "my photo (1).JPG",
    "n" * 251 + ".png",
]


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems(name: str) -> None:
    assert name_problem(name) == PROBLEMS[name]


def test_good_names() -> None:
    assert [name_problem(name) for name in GOOD] == [""] * len(GOOD)
    assert file_name_findings([Place("train", f"cat/{name}", "cat") for name in GOOD]) == []


def test_one_note_counts_them_all() -> None:
    names = ["cat/CON.png", "nul/1.png", "cat/1.png", "cat/A.png", "cat/a.PNG", "cat/x."]
    places = [Place("train", name, "cat") for name in names] + [Place("test", "cat/a.png", "cat")]
    (finding,) = file_name_findings(places)
    assert (finding.kind, finding.level, finding.remove) == ("file_name", "note", ())
    assert [place.path for (place,) in finding.places] == [names[i] for i in (0, 1, 3, 4, 5)]
    assert finding.details["problems"] == {
        RESERVED: 2,
        "differs from another only in case or form": 2,
        "ends in a dot or blank": 1,
    }
    assert finding.message.startswith("5 of 7 images have names that other systems may not hold")
