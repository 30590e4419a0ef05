"""What is said of copies, and which of them go."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.checks.findings.copies import Copies
from adapt.checks.findings.copy_findings import copy_findings, leaked_indices
from adapt.checks.findings.finding import Finding, Place

STANDING = st.tuples(st.sampled_from(["train", "val", "test", "other"]), st.sampled_from("ab"))


def kinds(found: list[Finding]) -> dict[str, Finding]:
    assert len({one.kind for one in found}) == len(found)
    return {one.kind: one for one in found}


def copies(content: list[int], pairs: list[tuple[int, int]] | None = None) -> Copies:
    given = np.array(pairs or [], np.int64).reshape(-1, 2)
    return Copies(np.array(content), given, np.full(len(given), 0.01, np.float32))


def place(text: str) -> Place:
    split, label, name = text.split("/")
    return Place(split, f"{label}/{name}", label)


def test_exact_copies_keep_the_first() -> None:
    here = [place(one) for one in ("train/cat/3", "train/cat/1", "val/cat/2", "train/dog/4")]
    found = kinds(copy_findings(copies([0, 0, 0, 1]), here))
    assert found.keys() == {"exact_copy"}
    assert found["exact_copy"].places == ((here[2], here[1], here[0]),)
    assert found["exact_copy"].remove == (here[1], here[0])
    assert found["exact_copy"].details == {"sets": 1, "images": 3, "largest": 3}


def test_copies_inside_an_eval_stay() -> None:
    here = [place("test/cat/1"), place("test/cat/2")]
    [found] = copy_findings(copies([0, 0]), here)
    assert (found.kind, found.remove) == ("exact_copy", ())
    assert copy_findings(copies([0, 0]), [place("test/cat/1"), place("sketch/dog/1")]) == []


def test_conflicts_go_altogether() -> None:
    here = [place(one) for one in ("train/cat/1", "train/dog/1", "train/cat/2", "train/cat/3")]
    found = kinds(copy_findings(copies([0, 0, 1, 2], [(1, 2)]), here))
    assert found.keys() == {"conflicting_label", "near_copy"}
    assert found["conflicting_label"].level == "error"
    assert set(found["conflicting_label"].remove) == set(here[:2])
    assert found["near_copy"].remove == (here[3],)
    # A near copy of what the conflict takes away is the only one left of it, and stays.
    chained = kinds(copy_findings(copies([0, 0, 1, 2], [(0, 1)]), here))
    assert set(chained["conflicting_label"].remove) == set(here[:2])
    assert chained["near_copy"].remove == chained["near_conflicting_label"].remove == ()
    near_only = kinds(copy_findings(copies([0, 1], [(0, 1)]), here[:2]))
    assert near_only.keys() == {"near_conflicting_label"}
    assert near_only["near_conflicting_label"].level == "warning"
    assert near_only["near_conflicting_label"].values == pytest.approx([0.01])
    assert near_only["near_conflicting_label"].remove == ()
    across = kinds(copy_findings(copies([0, 0]), [here[0], place("test/dog/1")]))
    assert across.keys() == {"leak", "conflicting_label"}
    assert across["conflicting_label"].level == "warning"
    assert across["conflicting_label"].remove == (here[0],)


def test_leaks_leave_the_test_alone() -> None:
    texts = ("train/cat/1", "test/cat/1", "val/cat/2", "test/cat/2", "sketch/cat/2", "test/cat/3")
    here = [place(text) for text in texts]
    both = copies([0, 0, 1, 2, 2, 3], [(1, 2)])
    found = kinds(copy_findings(both, here))
    assert found.keys() == {"leak", "near_leak"}
    assert found["leak"].places == ((here[0], here[1]),)
    assert found["leak"].remove == (here[0],)
    assert found["leak"].details["by_eval"] == {"test": 1}
    assert found["near_leak"].remove == (here[2],)
    assert found["near_leak"].details["by_eval"] == {"sketch": 1, "test": 1}
    assert found["near_leak"].message == (
        "1 of 1 image of sketch and 1 of 3 images of test are also in train or val, nearly the same"
    )
    assert leaked_indices(both, here) == {"test": [0, 1], "sketch": [0]}
    assert leaked_indices(both, here, near=False) == {"test": [0], "sketch": []}


def test_sets_do_not_chain_and_only_direct_copies_go() -> None:
    length = 25
    here = [place(f"train/cat/{number:02}") for number in range(length)]
    chain = copies(list(range(length)), [(one, one + 1) for one in range(length - 1)])
    [found] = copy_findings(chain, here)
    assert [len(places) for places in found.places] == [3] * 7 + [2] * 2
    for places in found.places:
        numbers = sorted(int(one.path[-2:]) for one in places)
        assert numbers[-1] - numbers[0] == len(numbers) - 1  # around the middle one
    assert found.remove == tuple(here[1::2])
    # A leak is a direct copy, not a copy of a copy.
    leaky = [Place("test", one.path, one.label) for one in here[:1]] + here[1:]
    assert kinds(copy_findings(chain, leaky))["near_leak"].remove == (here[1],)
    assert leaked_indices(chain, [*here[:5], place("test/cat/99"), *here[6:]]) == {"test": [0]}


def test_the_pair_that_differs_comes_first() -> None:
    """Whatever the names, the first two images of a conflict have two labels."""
    texts = [f"train/cat/{number}" for number in range(8)] + ["train/dog/0", "test/cat/9"]
    here = [place(text) for text in texts]
    found = kinds(copy_findings(copies([0] * 10), here))
    (conflict,) = found["conflicting_label"].places
    assert {one.label for one in conflict[:2]} == {"cat", "dog"}
    assert set(conflict) == set(here)
    (leak,) = found["leak"].places
    assert {one.split for one in leak[:2]} == {"train", "test"}
    content = [0] * 8 + [1]
    near = kinds(copy_findings(copies(content, [(0, 1)]), here[:9]))["near_conflicting_label"]
    assert {one.label for one in near.places[0][:2]} == {"cat", "dog"}


def test_the_nearest_conflict_comes_first() -> None:
    here = [place(one) for one in ("train/cat/1", "train/dog/2", "train/dog/3", "train/dog/4")]
    pairs = np.array([(0, 1), (0, 2), (0, 3)], np.int64)
    given = Copies(np.arange(4), pairs, np.array([0.02, 0.001, 0.01], np.float32))
    found = kinds(copy_findings(given, here))["near_conflicting_label"]
    assert found.places == ((here[0], here[2], here[3], here[1]),)
    assert found.values == pytest.approx([0.001])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), STANDING), min_size=1, max_size=10),
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=4),
)
def test_findings_against_a_direct_computation(
    images: list[tuple[int, tuple[str, str]]], near_contents: set[tuple[int, int]]
) -> None:
    contents = sorted({content for content, _ in images})
    number = {content: at for at, content in enumerate(contents)}
    pairs = sorted(
        {(number[a], number[b]) for a, b in near_contents if a < b and a in number and b in number}
    )
    content = [number[one] for one, _ in images]
    here = [Place(split, str(row), label) for row, (_, (split, label)) in enumerate(images)]
    found = kinds(copy_findings(copies(content, pairs), here))
    expected: dict[str, set[Place]] = {}
    for a, one in enumerate(here):
        for b, other in enumerate(here):
            exact = content[a] == content[b]
            linked = exact or (content[a], content[b]) in pairs or (content[b], content[a]) in pairs
            if a == b or not linked:
                continue
            sides = [
                "fit" if place.split in ("train", "val") else place.split for place in (one, other)
            ]
            names = []
            if "fit" in sides and sides[0] != sides[1]:
                names.append("leak" if exact else "near_leak")
            if one.label != other.label and ("fit" in sides or sides[0] == sides[1]):
                names.append("conflicting_label" if exact else "near_conflicting_label")
            if one.label == other.label and sides[0] == sides[1]:
                names.append("exact_copy" if exact else "near_copy")
            for name in names:
                expected.setdefault(name, set()).add(one)
    listed = {name: Counter(p for s in one.places for p in s) for name, one in found.items()}
    assert listed == {name: Counter(places) for name, places in expected.items()}
    gone = {place for name in ("exact_copy", "near_copy") if name in found
            for place in found[name].remove}  # fmt: skip
    fitted = {place for place in here if place.split in ("train", "val")}
    assert gone <= fitted
    # Each set is tight around one image, and a pair to which the finding applies is first in it.
    at = {one: row for row, one in enumerate(here)}
    linked = {(a, b) for a, b in pairs} | {(b, a) for a, b in pairs} | {(c, c) for c in content}
    for one in found.values():
        for places in one.places:
            numbers = [content[at[place]] for place in places]
            assert any(all((centre, other) in linked for other in numbers) for centre in numbers)
            assert (numbers[0], numbers[1]) in linked
            if "conflict" in one.kind:
                assert places[0].label != places[1].label
    # Of copies in train and val, each that goes leaves one behind that it is a direct copy of, and
    # that nothing else takes away.
    every = {place for one in found.values() for place in one.remove}
    for row, one in enumerate(here):
        if one in gone:
            assert any(
                other in fitted - every
                and other.label == one.label
                and (
                    content[row] == content[at]
                    or (min(content[row], content[at]), max(content[row], content[at])) in pairs
                )
                for at, other in enumerate(here)
            )
    leaks = leaked_indices(copies(content, pairs), here)
    told = {
        name: {one for kind in ("leak", "near_leak") if kind in found
               for group in found[kind].places for one in group if one.split == name}
        for name in leaks
    }  # fmt: skip
    for name, rows in leaks.items():
        own = [one for one in here if one.split == name]
        assert {own[row] for row in rows} == told[name]
