"""The order of a resource's elements, in small."""

from __future__ import annotations

import pytest

from nexus.crdt import elements
from nexus.ownership import records
from nexus.ownership.shard import CLOSED, HELD, STICKY, Row


def row(epoch: int, seq: int, length: int) -> Row:
    return Row(7, "a", epoch, seq, length, STICKY, 60, 0, 0, 0)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ((1, 1, HELD), (1, 1, CLOSED)),  # its end
        ((1, 1, CLOSED), (1, 2, HELD)),  # given again
        ((1, 2, HELD), (1, 3, CLOSED)),  # a renewal's record, and the end of a later one
        ((1, 9, CLOSED), (2, 1, HELD)),  # a successor's base
    ],
)
def test_the_later_record_stands(lower: tuple[int, int, int], upper: tuple[int, int, int]) -> None:
    assert elements.newer(*upper, row(*lower))
    assert not elements.newer(*lower, row(*upper))
    assert not elements.newer(*upper, row(*upper))
    assert records.r17_newer(*upper, row(*lower))


@pytest.mark.parametrize(("epoch", "floor", "below"), [(1, 2, True), (2, 2, False), (1, 0, False)])
def test_a_floor_is_the_lowest_epoch_that_counts(epoch, floor, below):
    assert elements.below_floor(epoch, floor) is below
    assert records.r18_below_floor(epoch, floor) is below


@pytest.mark.parametrize(("length", "left"), [(HELD, 100), (CLOSED, 60)])
def test_r10_what_a_release_skipped_does_not_travel(length, left):
    one = row(1, 2, length)
    one.ends, one.blocked = 100, 60
    assert records.r8b_blocked_in(one, 0, 0, 1000) == left
