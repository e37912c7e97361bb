"""Put the rows of a log or a snapshot into their pool: the hot loop of a restart.

A snapshot's rows come shard by shard in order of units, and nothing is there yet: they go in by a
few calls for all of a shard.  Rows of the log on top come in any order, one by one, and count
where they are newer.
"""

from __future__ import annotations

from collections.abc import Sequence

from nexus.core import columns
from nexus.core.entries import OpenRowsKept
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


def load_kept(pool: PoolState, kept: OpenRowsKept) -> None:
    """Take rows of a snapshot."""
    for rows in columns.load(pool, kept):
        _load_one_by_one(pool, rows)


def load_rows(pool: PoolState, rows: Sequence[Row]) -> None:
    """Take rows as they come from the log."""
    share(rows)
    _load_one_by_one(pool, rows)


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
    shard_at = pool.shard_at
    file_subscriber = pool.subs.setdefault
    timed: list[Row] = []
    for row in rows:
        shard = shard_at(row.index)
        if row.seq > shard.top_seq:
            shard.top_seq = row.seq
        if row.length != HELD or row.flags or file_subscriber(row.subscriber, row) is not row:
            _join(pool, shard, row)
        elif shard.rows.put_new(row):
            shard.held += 1
            if row.ends:
                timed.append(row)
        else:
            del pool.subs[row.subscriber]
            _join(pool, shard, row)
    pool.held_queue.add_dated(timed, [row.ends for row in timed])


def _renewed(pool: PoolState, shard: Shard, old: Row, row: Row) -> bool:
    """The short way of the commonest second record: the same holder, another end."""
    if not (
        columns.is_plain(old)
        and columns.is_plain(row)
        and pool.subs.get(row.subscriber) is old
        and row.subscriber not in pool.doubles  # it may be the younger now (R20)
        and records.r17_newer(row.epoch, row.seq, row.length, old)
    ):
        return False
    old.flags |= FLAG_GONE
    shard.rows.put(row)
    pool.subs[row.subscriber] = row
    if row.ends:
        pool.held_queue.add(row, row.ends)
    return True


def _join(pool: PoolState, shard: Shard, row: Row) -> None:
    """The higher one of two rows of a unit counts, as it was written (R17).

    What a deleted pool left blocked has no order; the longest counts (R10).
    """
    old = shard.rows.get(row.index)
    if old is not None:
        if _renewed(pool, shard, old, row):
            return
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
