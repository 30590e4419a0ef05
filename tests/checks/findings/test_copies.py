"""Copies are found whatever was done to them, and what only looks alike is not."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.checks.findings.copies import connected, find_copies, stars
from adapt.checks.findings.measure import Picture, measure
from tests.helpers.altered_images import photo


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 6))
def test_copies_do_not_depend_on_order(random: object, count: int) -> None:
    found = POOL[: 3 * count]
    order = list(range(len(found)))
    random.shuffle(order)  # type: ignore[attr-defined]
    plain, mixed = find_copies(found), find_copies([found[row] for row in order])
    back = {tuple(sorted(order[row] for row in rows)) for rows in mixed.sets()}
    assert back == set(plain.sets())
    names = dict(zip(order, mixed.groups(), strict=True))
    assert [names[row] for row in range(len(found))] == plain.groups()
    rows = [row for one in plain.sets() for row in one]
    assert len(rows) == len(set(rows))
    # Three files each: an image, the same bytes, and the same pixels in another file.
    assert set(plain.sets()) == {(3 * one, 3 * one + 1, 3 * one + 2) for one in range(count)}


def made_pool() -> list[Picture]:
    import tempfile

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(6):
            path = Path(folder, f"{seed}.png")
            photo(seed).save(path)
            photo(seed).save(Path(folder, f"{seed}.bmp"))
            found += [str(path), str(path), str(Path(folder, f"{seed}.bmp"))]
        return measure(found)


POOL = made_pool()


@settings(max_examples=50)
@given(st.integers(0, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_connected_sets_are_those_that_links_reach(
    count: int, links: list[tuple[int, int]]
) -> None:
    nodes = [10 * number for number in range(count)][::-1]
    links = [(10 * (a % count), 10 * (b % count)) for a, b in links] if count else []
    reached = {node: {node} for node in nodes}
    for _ in nodes:
        for a, b in links:
            reached[a] |= reached[b]
            reached[b] |= reached[a]
    expected = []
    for node in nodes:
        members = [other for other in nodes if other in reached[node]]
        if members not in expected:
            expected.append(members)
    assert connected(nodes, links) == expected


def test_unreadable_and_single_images() -> None:
    assert find_copies([]).sets() == []
    broken = [Picture("ab", "damaged"), Picture("ab", "damaged"), POOL[0]]
    found = find_copies(broken)
    assert found.content.tolist() == [-1, -1, 0]
    assert len(set(found.groups())) == 3


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 9), st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=14))
def test_stars_cover_all_and_chain_none(count: int, links: set[tuple[int, int]]) -> None:
    links = {(a, b) for a, b in links if max(a, b) < count}
    sets = stars(range(count), links)
    assert sorted(node for own in sets for node in own) == list(range(count))
    for centre, *others in sets:
        assert all((centre, other) in links or (other, centre) in links for other in others)
        lonely = not any(centre in link and link[0] != link[1] for link in links)
        assert bool(others) != lonely
