"""Range algebra against Python's own sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexus.model.ranges import Ranges

BOUND = 60
SPANS = st.lists(st.tuples(st.integers(0, BOUND), st.integers(0, BOUND)), max_size=8)


def as_set(spans: list[tuple[int, int]]) -> set[int]:
    return {number for start, stop in spans for number in range(start, stop)}


@given(SPANS)
def test_holds_exactly_what_was_put_in(spans: list[tuple[int, int]]) -> None:
    ranges, expected = Ranges.of(spans), as_set(spans)
    assert list(ranges.indexes()) == sorted(expected)
    assert ranges.count == len(expected)
    assert {number for number in range(-1, BOUND + 2) if number in ranges} == expected


@given(SPANS)
def test_bounds_rise_strictly_so_equal_sets_are_equal_values(spans: list[tuple[int, int]]) -> None:
    bounds = Ranges.of(spans).bounds
    assert list(bounds) == sorted(set(bounds))
    assert Ranges.of(reversed(spans)) == Ranges(bounds)


@given(SPANS, st.integers(-2, BOUND + 2), st.integers(-2, BOUND + 2))
def test_within_is_intersection(spans: list[tuple[int, int]], start: int, stop: int) -> None:
    expected = as_set(spans) & set(range(start, stop))
    part = Ranges.of(spans).within(start, stop)
    assert list(part.indexes()) == sorted(expected)
    assert Ranges.of(spans).count_within(start, stop) == len(expected)


@given(SPANS, SPANS)
def test_or_is_union(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    both = Ranges.of(left) | Ranges.of(right)
    assert list(both.indexes()) == sorted(as_set(left) | as_set(right))


@given(SPANS, st.integers(-2, BOUND + 2))
def test_next_outside_is_the_first_gap(spans: list[tuple[int, int]], number: int) -> None:
    expected = number
    while expected in as_set(spans):
        expected += 1
    assert Ranges.of(spans).next_outside(number) == expected
