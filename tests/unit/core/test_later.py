"""Entries that nothing waits for: they go to disk with, and before, those that something does."""

from __future__ import annotations

from random import Random
from typing import Any

from nexus.core.config import NodeConfig
from nexus.core.context import LATER_MAX, Context
from nexus.core.effects import Persist
from nexus.core.entries import ReplicaWritten, RowsWritten
from nexus.model.time import Instant
from nexus.ownership.clocks import NodeClocks
from nexus.ownership.shard import HELD, Row
from nexus.ownership.values import NO_SESSION


def context() -> Context:
    config = NodeConfig(
        node_id="n1", cluster_id="c", incarnation=1, session=NO_SESSION, boot_id="b"
    )
    ctx = Context(config, NodeClocks(Instant(0, 0, 0)), Random(1))
    ctx._clock_entry_at = 1 << 62  # no clock readings between the entries
    return ctx


def row(index: int, seq: int) -> Row:
    return Row(index, "s", 1, seq, HELD, 0, 60, 10**9, 10**9, 0, 0, None, None)


def replica(seq: int) -> ReplicaWritten:
    return ReplicaWritten(1, 0, "n2", 0, 1, seq)


def persisted(ctx: Context) -> list[Any]:
    effects = ctx.take_effects()
    return [entry for each in effects if isinstance(each, Persist) for entry in each.entries]


def test_they_wait_for_an_entry_that_is_needed_and_stand_before_it() -> None:
    ctx = context()
    ctx.persist_later(1, [row(3, 1), row(4, 2)], "r", replica(2))
    ctx.persist_later(1, [row(3, 3)], "r", replica(3))
    assert persisted(ctx) == []
    assert ctx.token == 0
    needed = ReplicaWritten(9, 9, None, 0, 0, 0)
    ctx.persist(needed)
    rows, position, last = persisted(ctx)
    assert isinstance(rows, RowsWritten)
    assert [(each.index, each.seq) for each in rows.rows] == [(3, 3), (4, 2)]
    assert position == replica(3)
    assert last == needed
    assert persisted(ctx) == []


def test_what_finds_no_company_is_written_when_it_is_told_to() -> None:
    ctx = context()
    ctx.flush_later()
    assert (persisted(ctx), ctx.token) == ([], 0)
    ctx.persist_later(1, [], "r", replica(1))
    ctx.flush_later()
    assert (persisted(ctx), ctx.token) == ([replica(1)], 1)


def test_only_so_many_wait() -> None:
    ctx = context()
    ctx.persist_later(1, [row(index, index) for index in range(LATER_MAX)], "r", None)
    (rows,) = persisted(ctx)
    assert len(rows.rows) == LATER_MAX


def test_nothing_is_written_again_while_a_log_is_replayed() -> None:
    ctx = context()
    ctx.replaying = True
    ctx.persist_later(1, [row(1, 1)], "r", replica(1))
    ctx.replaying = False
    ctx.flush_later()
    assert persisted(ctx) == []


def test_a_commit_of_the_same_event_has_them_in_it() -> None:
    """A position on disk without the rows it counts would be a promise forgotten by a crash."""
    ctx = context()
    ctx.persist(replica(2))
    ctx.persist_later(1, [row(3, 1), row(4, 2)], "r", replica(2))
    position, rows, again = persisted(ctx)
    assert position == again == replica(2)
    assert [each.index for each in rows.rows] == [3, 4]
    assert ctx.token == 1
    ctx.flush_later()
    assert persisted(ctx) == [], "nothing is left waiting"
