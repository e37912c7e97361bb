"""Rows of a restart: whatever way they come in, the pool is the same."""

from __future__ import annotations

from random import Random

import pytest
from msgspec import structs

from nexus import codec
from nexus.core import columns
from nexus.core.entries import OpenRowsKept, RowsWritten
from nexus.core.row_load import load_kept, load_rows
from nexus.core.snapshots import row_entries
from nexus.model.pool import PoolSpec
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import CLOSED, FLAG_CLAIM, FLAG_GONE, HELD, SESSION, STICKY, Row
from nexus.resources import geometry


def pool_of() -> PoolState:
    spec = PoolSpec(id="p", type="ipv4", cidr="10.0.0.0/20")
    return PoolState(1, 1, spec, geometry(spec), 0)


def row(unit: int, subscriber: str, seq: int, *, length: int = HELD, **more: int) -> Row:
    values = {"ends": 10**12 + seq, "blocked": 10**12 + seq, "kind": SESSION, "flags": 0, **more}
    return Row(
        unit,
        subscriber,
        1,
        seq,
        length,
        values["kind"],
        86_400,
        values["ends"],
        values["blocked"],
        seq,
        flags=values["flags"],
    )


def some_rows() -> list[Row]:
    """In order of units: most open, some closed, some permanent, one subscriber twice."""
    rows: list[Row] = []
    for unit in range(2, 3_000, 2):
        seq = unit + 70_000 if unit % 10 == 0 else unit
        if unit % 14 == 0:
            claim = {"kind": STICKY, "flags": FLAG_CLAIM} if unit % 28 == 0 else {}
            rows.append(row(unit, f"s{unit}", seq, length=CLOSED, **claim))
        else:
            name = "twice" if unit in (100, 2_002) else f"s{unit}"
            rows.append(row(unit, name, seq, ends=0 if unit % 22 == 0 else 10**12 + seq))
    return rows


def told(pool: PoolState) -> tuple[object, ...]:
    """Everything that follows from the rows."""
    every = [each for shard in pool.shards for each in shard.rows]
    due = pool.held_queue.pop_due(10**15), pool.cooling_queue.pop_due(10**15)
    return (
        [(each.index, each.subscriber, each.seq, each.flags, each.blocked) for each in every],
        [(shard.held, shard.cooling, shard.top_seq, shard.rows.count) for shard in pool.shards],
        {name: each.index for name, each in pool.subs.items()},
        {name: [each.index for each in more] for name, more in pool.doubles.items()},
        {name: each.index for name, each in pool.claims.items()},
        [[each.index for each in queue] for queue in due],
    )


def loaded_one_by_one() -> tuple[object, ...]:
    pool = pool_of()
    for each in some_rows():
        load_rows(pool, [each])
    return told(pool)


@pytest.mark.parametrize("size", [1, 64, 700, 10_000])
def test_columns_of_a_snapshot_come_to_what_single_rows_come_to(size: int) -> None:
    pool = pool_of()
    rows = [each for each in some_rows() if columns.is_plain(each)]
    for first in range(0, len(rows), size):
        kept = columns.keep(1, rows[first : first + size])
        load_kept(pool, codec.decode_entry(codec.encode_entry(kept)))
    load_rows(pool, [each for each in some_rows() if not columns.is_plain(each)])
    assert told(pool) == loaded_one_by_one()


def test_columns_keep_every_field() -> None:
    rows = some_rows()[:3]
    rows[0].node_id, rows[1].backup_node_id, rows[1].renewed_us = "n1", "n2", 7
    rows[1].kind, rows[1].epoch, rows[1].ttl_s = STICKY, 3, 60
    rows[1].blocked += 1
    kept = codec.decode_entry(codec.encode_entry(columns.keep(1, rows)))
    assert [structs.astuple(each) for each in columns.rows_of(kept)] == [
        structs.astuple(each) for each in rows
    ]


def test_rows_in_any_order_come_to_the_same() -> None:
    pool = pool_of()
    rows = some_rows()
    Random(5).shuffle(rows)
    load_rows(pool, rows)
    assert told(pool) == loaded_one_by_one()


def test_columns_over_rows_that_are_there_count_where_they_are_newer() -> None:
    pool = pool_of()
    load_rows(pool, [row(unit, f"s{unit}", 5 if unit < 100 else 50) for unit in range(2, 200)])
    load_kept(pool, columns.keep(1, [row(unit, f"t{unit}", 10) for unit in range(2, 300)]))
    assert set(pool.subs) == {f"s{u}" if 100 <= u < 200 else f"t{u}" for u in range(2, 300)}
    assert [shard.held for shard in pool.shards[:2]] == [254, 44]


def test_a_released_unit_cools_for_what_the_release_said() -> None:
    """The open row that it ended was told a later end: that does not count any more (R10)."""
    pool = pool_of()
    load_rows(pool, [row(2, "s", 1, blocked=10**15)])
    load_rows(pool, [row(2, "s", 2, length=CLOSED, blocked=10**9)])
    assert pool.shards[0].rows.get(2) is not None
    assert pool.cooling_queue.next_due_ns() == 10**9


def test_what_a_deleted_pool_left_blocked_stays_for_the_longest() -> None:
    pool = pool_of()
    for blocked in (5, 9, 7):
        left = row(2, "s", 0, length=CLOSED, blocked=blocked)
        left.epoch = 0
        load_rows(pool, [left])
    found = pool.row_at(2)
    assert found is not None and found.blocked == 9 and not found.flags & FLAG_GONE
    assert pool.shards[0].cooling == 1


def test_numbers_and_names_that_repeat_are_shared() -> None:
    pool = pool_of()
    rows = [row(unit, f"s{unit}", 300 + unit) for unit in (2, 3)]
    for each in rows:
        each.node_id = "".join(["node-", "1"])
        each.blocked = int(str(each.ends))
    load_rows(pool, rows)
    assert rows[0].node_id is rows[1].node_id
    assert rows[0].ttl_s is rows[1].ttl_s
    assert rows[0].blocked is rows[0].ends


def test_a_row_that_closed_while_a_snapshot_paused_is_kept_as_closed() -> None:
    rows = [row(unit, f"s{unit}", 5) for unit in range(2, 6)]
    rows[1].length = CLOSED
    entries = list(row_entries(1, rows))
    assert [type(entry) for entry in entries] == [RowsWritten, OpenRowsKept]
    assert entries[0].rows == (rows[1],)
    assert entries[1].units == [2, 4, 5]


def test_records_of_a_unit_count_in_their_order_wherever_they_stand_in_a_batch() -> None:
    """Allocated, renewed, released, given to another, renewed: among many others, shuffled."""
    story = [
        row(40, "a", 1),
        row(40, "a", 2),
        row(40, "a", 3, length=CLOSED),
        row(40, "b", 4),
        row(40, "b", 5, ends=7 * 10**12),
    ]
    others = [row(unit, f"s{unit}", 9) for unit in range(60, 160)]
    for size in (1, 3, 200):
        pool = pool_of()
        rows = [*others[:50], *story[:2], *others[50:], *story[2:]]
        for first in range(0, len(rows), size):
            load_rows(pool, rows[first : first + size])
        found = pool.row_at(40)
        assert found is not None and (found.subscriber, found.seq) == ("b", 5)
        assert "a" not in pool.subs and pool.subs["b"] is found
        assert pool.shards[0].held == 101 and pool.shards[0].cooling == 0
        assert [each.index for each in pool.held_queue.pop_due(10**15)][-1] == 40
