"""Rows that left their table do not come back through the queues that still know them."""

from __future__ import annotations

from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import HELD, SESSION, Row
from nexus.resources import geometry, pool_spec_from


def pool_with_row():
    spec, _ = pool_spec_from({"id": "p", "type": "ipv4", "cidr": "10.0.0.0/28"})
    pool = PoolState(1, 1, spec, geometry(spec), 0)
    row = Row(5, "a", 1, 1, HELD, SESSION, 10, 100, 100, 0)
    pool.open(pool.shard_at(5), row)
    return pool, pool.shard_at(5), row


def test_a_cooling_row_that_was_opened_again_does_not_cool_any_more():
    pool, shard, row = pool_with_row()
    pool.close(shard, row, 1, 2, 200)
    again = Row(5, "a", 1, 3, HELD, SESSION, 10, 300, 300, 0)
    pool.open(shard, again)
    assert pool.cooling_queue.pop_due(1_000) == []
    assert (shard.held, shard.cooling) == (1, 0)


def test_a_forgotten_row_does_not_expire():
    pool, shard, row = pool_with_row()
    pool.forget(shard, row)
    assert pool.held_queue.pop_due(1_000) == []
    assert pool.subs == {}


def test_a_merged_row_replaces_the_older_one_in_every_queue():
    pool, shard, _ = pool_with_row()
    newer = Row(5, "a", 1, 4, HELD, SESSION, 10, 500, 500, 0)
    pool.merge(shard, newer)
    assert pool.held_queue.pop_due(400) == []
    assert pool.held_queue.pop_due(500) == [newer]


def test_a_row_that_ends_sooner_after_a_renewal_is_due_then():
    pool, shard, row = pool_with_row()
    second = 1_000_000_000
    pool.change(shard, row, 2, 600 * second, 600 * second)
    assert pool.held_queue.pop_due(150) == []
    pool.change(shard, row, 3, 60 * second, 60 * second)
    assert pool.held_queue.next_due_ns() == 60 * second
    assert pool.held_queue.pop_due(60 * second) == [row]
