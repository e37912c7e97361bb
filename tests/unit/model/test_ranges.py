"""Ranges: the examples; the laws are in tests/property/test_ranges.py."""

from __future__ import annotations

from nexus.model.ranges import NOTHING, Ranges


def test_spans_are_sorted_joined_and_empty_ones_dropped() -> None:
    assert Ranges.of([(7, 9), (1, 3), (3, 5), (8, 12), (20, 20)]).bounds == (1, 5, 7, 12)


def test_equal_sets_are_equal_values() -> None:
    assert Ranges.of([(0, 2), (2, 4)]) == Ranges.of([(0, 4)])


def test_membership_is_half_open() -> None:
    ranges = Ranges.of([(1, 3), (5, 6)])
    assert [number for number in range(8) if number in ranges] == [1, 2, 5]


def test_counts_beyond_what_len_can_tell() -> None:
    assert Ranges.of([(0, 2**100)]).count == 2**100


def test_next_outside() -> None:
    ranges = Ranges.of([(1, 3), (5, 6)])
    assert [ranges.next_outside(number) for number in range(7)] == [0, 3, 3, 3, 4, 6, 6]


def test_nothing_is_empty_and_false() -> None:
    assert not NOTHING
    assert NOTHING.count == 0
    assert 0 not in NOTHING
