"""Free units of one shard; the laws are in tests/property/test_free_map.py."""

from __future__ import annotations

import sys

import pytest

from nexus.model.ranges import Ranges
from nexus.space.free_map import DENSE_UNITS_MAX, FreeMap

LARGE = DENSE_UNITS_MAX + 300


def test_pick_does_not_take() -> None:
    free = FreeMap(10, 20)
    assert free.pick(13) == free.pick(13) == 13
    assert free.free_count == 10


@pytest.mark.parametrize("stop", [20, 10 + LARGE])
def test_pick_goes_round_the_shard(stop: int) -> None:
    free = FreeMap(10, stop)
    assert free.take(stop - 1)
    assert free.pick(stop - 1) == 10
    assert free.pick(stop) == 10
    assert free.take(10)
    assert free.pick(stop - 1) == 11
    assert free.pick(9) == 11


@pytest.mark.parametrize("size", [1, 2, 300, LARGE])
def test_a_full_shard_says_so(size: int) -> None:
    free = FreeMap(5, 5 + size, full=True)
    assert free.free_count == 0
    assert free.pick(5) == -1
    assert not free.take(5)
    assert free.give(5 + size - 1)
    assert free.pick(5) == 5 + size - 1
    assert free.free_count == 1


@pytest.mark.parametrize("size", [10, LARGE])
def test_take_and_give_tell_whether_they_changed_anything(size: int) -> None:
    free = FreeMap(0, size)
    assert not free.give(3)
    assert free.take(3)
    assert not free.is_free(3)
    assert not free.take(3)
    assert free.give(3)
    assert free.is_free(3)
    assert not free.give(3)
    assert free.free_count == size


@pytest.mark.parametrize("size", [10, LARGE])
def test_bulk_counts_what_changed(size: int) -> None:
    free = FreeMap(0, size)
    assert free.take_all([1, 2, 2, 3]) == 3
    assert free.give_all([2, 3, 4]) == 2
    assert free.free_count == size - 1


@pytest.mark.parametrize("size", [10, LARGE])
@pytest.mark.parametrize("offset", [-1, 0])
def test_a_unit_of_another_shard_is_a_defect_of_ours(size: int, offset: int) -> None:
    index = 100 + offset if offset < 0 else 100 + size
    free = FreeMap(100, 100 + size)
    free.take(101)
    for act in (free.take, free.give, free.is_free):
        with pytest.raises(IndexError):
            act(index)


@pytest.mark.parametrize("size", [20, LARGE])
def test_reserved_units_are_never_free(size: int) -> None:
    free = FreeMap(100, 100 + size, reserved=Ranges.of([(0, 102), (105, 107), (118, 10**9)]))
    assert free.free_count == 14
    assert free.pick(100) == 102
    assert free.pick(105) == 107
    assert free.pick(118) == 102
    assert not free.is_free(105)
    assert not free.take(105)
    assert not free.give(105)
    assert free.pick(105) == 107


def test_half_an_ipv6_block_reserved_costs_no_memory() -> None:
    """A /32 of /64s with its lower half excluded: 2^31 reserved units in one shard."""
    free = FreeMap(0, 1 << 32, reserved=Ranges.of([(0, 1 << 31)]))
    assert free.free_count == 1 << 31
    assert free.pick(5) == 1 << 31
    assert free._pages is not None
    assert len(free._pages._pages) == 0


def test_a_shard_of_2_to_54_units_pays_for_what_is_taken_only() -> None:
    """A /64 cut into addresses, 1,024 shards: walking or allocating it is out of the question."""
    start = 7 << 54
    free = FreeMap(start, start + (1 << 54))
    taken = [start + (number * 0x9E3779B97F4A7C15) % (1 << 54) for number in range(1_000)]
    assert free.take_all(taken) == 1_000
    assert free.free_count == (1 << 54) - 1_000
    assert free.pick(taken[0]) == taken[0] + 1
    pages = free._pages._pages if free._pages is not None else {}
    assert len(pages) == 1_000
    assert sum(sys.getsizeof(page) for page in pages.values()) < 100_000
    assert free.give_all(taken) == 1_000
    assert not pages


def test_full_pages_are_skipped_not_walked() -> None:
    """100,000 taken in a row, asked from the start: one look at each level, not 400 pages."""
    free = FreeMap(0, 1 << 24)
    free.take_all(range(100_000))
    assert free.pick(0) == 100_000
    assert free._pages is not None
    upper = free._pages._upper
    assert upper is not None
    assert upper.find(0) == 100_000 >> 8


def test_a_shard_nobody_took_from_has_no_bits() -> None:
    assert FreeMap(0, 65_536)._bits is None
