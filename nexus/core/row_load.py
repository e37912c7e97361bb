"""Put the rows of a log or a snapshot into their pool: the hot loop of a restart.

A snapshot's rows come shard by shard in order of units, and nothing is there yet: they go in by a
few calls for all of a shard.  Rows of the log on top come in any order, one by one, and count
where they are newer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice
from operator import lt

from nexus.ownership import records
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import (
    CLOSED,
    FLAG_FREE,
    FLAG_GONE,
    HELD,
    SHARED_INTS,
    Row,
    Shard,
    shared_text,
    shared_ttl,
)

RUN_ROWS_MIN = 64
"""Fewer rows at once are taken one by one: for them the calls for all together do not pay."""


def load_rows(pool: PoolState, rows: Sequence[Row]) -> None:
    """Take rows as they come from the log."""
    share(rows)
    units = [row.index for row in rows]
    if len(units) < RUN_ROWS_MIN or not all(map(lt, units, islice(units, 1, None))):
        _load_one_by_one(pool, rows)
        return
    first = 0
    while first < len(units):
        shard = pool.shard_at(units[first])
        beyond = bisect_left(units, shard.stop, first)
        part = list(rows[first:beyond])
        if not pool.load(shard, part, units[first:beyond]):
            _load_one_by_one(pool, part)
        first = beyond


def share(rows: Sequence[Row]) -> None:
    """Fresh rows come with a number and a text of their own for everything; see `shared_int`."""
    shared = SHARED_INTS
    beyond = len(shared)
    ttl_s = shared_ttl(rows[0].ttl_s) if rows else 0
    for row in rows:
        seq = row.seq
        if seq < beyond:
            row.seq = shared[seq]
        row.ttl_s = ttl_s if row.ttl_s == ttl_s else shared_ttl(row.ttl_s)
        ends = row.ends
        if row.blocked == ends:
            row.blocked = ends
        if row.node_id is not None:
            row.node_id = shared_text(row.node_id)
        if row.flags:
            row.flags &= ~(FLAG_FREE | FLAG_GONE) if row.length == CLOSED else ~FLAG_GONE


def _load_one_by_one(pool: PoolState, rows: Sequence[Row]) -> None:
    """An open row of a unit and a subscriber that have none yet goes in by the short way."""
    shard_of = pool.geometry.shard_of
    shards = pool.shards
    subs = pool.subs
    timed: list[Row] = []
    for row in rows:
        shard = shards[shard_of(row.index)]
        if row.seq > shard.top_seq:
            shard.top_seq = row.seq
        if row.flags or row.length != HELD or subs.setdefault(row.subscriber, row) is not row:
            _join(pool, shard, row)
        elif shard.rows.put_new(row):
            shard.held += 1
            if row.ends:
                timed.append(row)
        else:
            del subs[row.subscriber]
            _join(pool, shard, row)
    pool.held_queue.add_dated(timed, [row.ends for row in timed])


def _join(pool: PoolState, shard: Shard, row: Row) -> None:
    """The higher one of two rows of a unit counts, as it was written (R17).

    What a deleted pool left blocked has no order; the longest counts (R10).
    """
    old = shard.rows.get(row.index)
    if old is not None:
        if (row.epoch, row.seq, row.length) == (old.epoch, old.seq, old.length):
            blocked = records.r10_blocked_until(old.blocked, row.blocked)
            if blocked == old.blocked:
                return
            row.blocked = blocked
        elif not records.r17_newer(row.epoch, row.seq, row.length, old):
            return
        pool.forget(shard, old)
    shard.rows.put(row)
    pool.attach(shard, row)
