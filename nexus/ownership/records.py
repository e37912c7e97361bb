"""Records of a shard: when a resource is free again, and how a successor takes over.

Rules R8 (b, c), R10, R12 (digest), R16, R17 and R18, as small functions over rows.  Instants come
in on the timelines of the node that asks; between nodes only durations travel (R11), and each
voter dates a record by its first receipt.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import msgspec

from nexus.crdt import elements
from nexus.ownership import clocks
from nexus.ownership.shard import (
    CLOSED,
    FLAG_CLAIM,
    FLAG_FREE,
    FLAG_GONE,
    FLAG_RETIRED,
    HELD,
    Row,
    Shard,
)
from nexus.ownership.values import Seal


class WireRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row as it travels: durations instead of instants."""

    index: int
    subscriber: str
    epoch: int
    seq: int
    length: int
    kind: int
    ttl_s: int
    ends_in: int
    """Nanoseconds until it ends; 0 for a permanent one, -1 for one that has ended."""
    blocked_in: int
    """Nanoseconds for which it stays blocked for others, 0 if it is not."""
    created_us: int
    renewed_us: int
    node_id: str | None
    backup_node_id: str | None
    flags: int


def to_wire(row: Row, told: int, slow: int, drift_ppm: int) -> WireRow:
    """A row as its owner (or a voter that is read) sends it now."""
    ends_in = 0 if row.ends == 0 else max(row.ends - told, -1) or -1
    return WireRow(
        row.index,
        row.subscriber,
        row.epoch,
        row.seq,
        row.length,
        row.kind,
        row.ttl_s,
        ends_in,
        r8b_blocked_in(row, told, slow, drift_ppm),
        row.created_us,
        row.renewed_us,
        row.node_id,
        row.backup_node_id,
        row.flags & ~(FLAG_FREE | FLAG_RETIRED | FLAG_GONE),
    )


def from_wire(wire: WireRow, told: int, slow: int, drift_ppm: int) -> Row:
    """A received row, dated by this receipt: never earlier than its sender meant."""
    ends = 0 if wire.ends_in == 0 else told + max(wire.ends_in, 0)
    blocked = slow + clocks.stretched_ns(wire.blocked_in, drift_ppm) if wire.blocked_in > 0 else 0
    return Row(
        wire.index,
        wire.subscriber,
        wire.epoch,
        wire.seq,
        wire.length,
        wire.kind,
        wire.ttl_s,
        ends,
        blocked,
        wire.created_us,
        wire.renewed_us,
        wire.node_id,
        wire.backup_node_id,
        wire.flags,
    )


def r8b_blocked_in(row: Row, told: int, slow: int, drift_ppm: int) -> int:
    """What is left of a record's blocking when it is sent (again): everything that is not over.

    An end that a release skipped is over (R10).
    """
    blocked = row.blocked - slow
    if row.ends != 0 and row.length == HELD:
        blocked = max(blocked, row.ends - told)
    del drift_ppm
    return max(blocked, 0)


def r10_blocked_until(blocked: int, anew: int) -> int:
    """The latest instant ever told stays: what a holder did not hear of does not bind it."""
    return max(blocked, anew)


def r10_reuse_at(row: Row, slow: int, drift_ppm: int, ack_limit_ns: int, cooldown_ns: int) -> int:
    """Slow instant at which a closed resource is free for others.

    After the latest end ever told plus the drift guard, plus the time for which a told reply may
    still be on its way, plus the pool's cooldown; it only ever moves later.
    """
    latest = max(row.blocked, slow)
    guard = clocks.guard_ns(max(latest - slow, row.ttl_s * 1_000_000_000), drift_ppm)
    return max(row.blocked, latest + guard + ack_limit_ns + cooldown_ns)


def r10_reuse_after_release(row: Row, slow: int, cooldown_ns: int) -> int:
    """A release by its holder skips the deadlines, never the cooldown."""
    del row
    return slow + cooldown_ns


def r10_release_frees(row: Row, commit_seq: int) -> bool:
    """A closing frees the address for others only when it is replicated itself."""
    return row.seq <= commit_seq


def r8d_release_names(row: Row, ticket: tuple[int, int], age_ns: int, ack_limit_ns: int) -> bool:
    """A release that was passed on names the record that it ends, and is not late."""
    return (row.epoch, row.seq) == ticket and age_ns <= ack_limit_ns


def r17_newer(epoch: int, seq: int, length: int, than: Row) -> bool:
    """The order of a resource's elements: the join keeps the highest, as it was written."""
    return elements.newer(epoch, seq, length, than)


def r17_over(row: Row | WireRow, upto: tuple[int, int]) -> bool:
    """Who has every element up to ``upto`` and lacks this one knows that it is over.

    What a deleted pool left blocked (seq 0) is no element: only time ends it.
    """
    return row.seq > 0 and (row.epoch, row.seq) <= upto


def r18_below_floor(epoch: int, floor: int) -> bool:
    """Elements of an epoch below the floor that were not carried over do not count any more."""
    return elements.below_floor(epoch, floor)


def r8c_over(row: Row, parts: Iterable[tuple[tuple[int, int], Container[int]]]) -> bool:
    """A voter that had every record up to ``have`` and has none of this unit: it is over."""
    return any(r17_over(row, have) and row.index not in units for have, units in parts)


def r8c_union(reads: Iterable[Iterable[Row]], floor: int) -> dict[int, Row]:
    """Per resource the highest (epoch, seq) of all that was read; of its copies the longest block.

    Copies are dated by different receipts (R8 a).
    """
    union: dict[int, Row] = {}
    for rows in reads:
        for row in rows:
            if r18_below_floor(row.epoch, floor):
                continue
            seen = union.get(row.index)
            if seen is None:
                union[row.index] = row
                continue
            if r17_newer(row.epoch, row.seq, row.length, seen):
                union[row.index] = row
            elif not r17_newer(seen.epoch, seen.seq, seen.length, row):
                seen.blocked = r10_blocked_until(seen.blocked, row.blocked)
    return dict(sorted(union.items()))


def r8c_carried(row: Row, slow: int) -> bool:
    """What a base keeps: open records, sticky claims, and whatever still blocks its resource."""
    return row.length == HELD or bool(row.flags & FLAG_CLAIM) or row.blocked > slow


def r8c_may_drop(acked_seq: int, commit_seq: int, base_end: int) -> bool:
    """Nothing of older epochs is dropped until the base is here and a quorum holds it."""
    return acked_seq >= base_end and commit_seq >= base_end


def r8c_base(union: Mapping[int, Row], epoch: int, slow: int) -> list[Row]:
    """The open records written again under the successor's epoch, numbered from 1."""
    base: list[Row] = []
    for row in union.values():
        if r8c_carried(row, slow):
            row.epoch = epoch
            row.seq = len(base) + 1
            base.append(row)
    return base


def r12_digest(shard: Shard) -> int:
    """Digest over (resource, epoch, seq, subscriber, length) of what a seal promises."""
    return shard.fingerprint


def r12_digest_of(rows: Iterable[Row]) -> int:
    """The same digest over rows that a successor has read."""
    digest = 0
    for row in rows:
        digest ^= row.fingerprint()
    return digest


def r12_digest_matches(seal: Seal, union: Mapping[int, Row]) -> bool:
    """The successor has read exactly what the drained owner sealed."""
    sealed = (row for row in union.values() if row.epoch == seal.epoch.counter)
    return r12_digest_of(sealed) == seal.digest


def is_open(row: Row, told: int) -> bool:
    """Held, and not ended."""
    return row.length == HELD and (row.ends == 0 or row.ends > told)


def is_cooling(row: Row) -> bool:
    """Closed and not reusable yet."""
    return row.length == CLOSED and not row.flags & FLAG_FREE
