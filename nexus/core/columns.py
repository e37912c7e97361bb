"""Open rows of a snapshot column by column.

A restart makes the rows again by one call for thousands: values that all rows of a piece share are
one value on disk and one object in memory, and the lists that the pool's indexes want are there
already.  Row by row it took twice the time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TypeVar

from nexus.core.entries import OpenRowsKept
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import HELD, SHARED_INTS, Row, shared_text, shared_ttl

T = TypeVar("T")


def is_plain(row: Row) -> bool:
    """Whether a row can be kept in columns; any other is kept whole."""
    return row.length == HELD and not row.flags


def keep(pool_no: int, rows: list[Row]) -> OpenRowsKept:
    """An entry of plain rows of different units, in order of units."""
    ends = [row.ends for row in rows]
    blocked = [row.blocked for row in rows]
    return OpenRowsKept(
        pool_no,
        [row.index for row in rows],
        [row.subscriber for row in rows],
        _once([row.epoch for row in rows]),
        [row.seq for row in rows],
        _once([row.kind for row in rows]),
        _once([row.ttl_s for row in rows]),
        ends,
        [] if blocked == ends else blocked,
        [row.created_us for row in rows],
        _once([row.renewed_us for row in rows]),
        _once([row.node_id for row in rows]),
        _once([row.backup_node_id for row in rows]),
    )


def _once(values: list[T]) -> list[T]:
    """One value if it is the same in all rows."""
    return values[:1] if values.count(values[0]) == len(values) else values


def _each(values: list[T]) -> Iterable[T]:
    """As many values as rows, or the one that they share without end."""
    return repeat(values[0]) if len(values) == 1 else values


def _texts(values: list[str | None]) -> list[str | None]:
    return [None if value is None else shared_text(value) for value in values]


def rows_of(kept: OpenRowsKept) -> list[Row]:
    """The rows again; what repeats is shared between them (`nexus.ownership.shard.shared_int`)."""
    seqs = kept.seqs
    if seqs and max(seqs) < len(SHARED_INTS):
        seqs = list(map(SHARED_INTS.__getitem__, seqs))
    return list(
        map(
            Row,
            kept.units,
            kept.subscribers,
            _each(kept.epochs),
            seqs,
            repeat(HELD),
            _each(kept.kinds),
            _each(list(map(shared_ttl, kept.ttls_s))),
            kept.ends,
            kept.blocked or kept.ends,
            kept.created_us,
            _each(kept.renewed_us),
            _each(_texts(kept.node_ids)),
            _each(_texts(kept.backup_node_ids)),
        )
    )


def load(pool: PoolState, kept: OpenRowsKept) -> Iterator[list[Row]]:
    """File an entry's rows; yields those of shards where a unit has a row already."""
    rows = rows_of(kept)
    units = kept.units
    first = 0
    while first < len(units):
        shard = pool.shard_at(units[first])
        beyond = bisect_left(units, shard.stop, first)
        part = slice(first, beyond)
        if not pool.load(
            shard,
            rows[part],
            units[part],
            kept.subscribers[part],
            max(kept.seqs[part]),
            kept.ends[part],
        ):
            yield rows[part]
        first = beyond
