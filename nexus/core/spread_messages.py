"""Messages of R16 to R19: elements of shards, and what two members compare of them.

Part of the union in `nexus.core.messages`, from where they are imported.
"""

from __future__ import annotations

import msgspec

from nexus.crdt.digest import Probe
from nexus.ownership.records import WireRow

ShardKey = tuple[int, int]


class _Message(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Base of these: tagged by class name on the wire."""


class RowsSpread(_Message, frozen=True):
    """Elements of one shard: (after_seq, last_seq] of an epoch; after_seq 0: the whole shard."""

    shard: ShardKey
    owner: str
    epoch: int
    floor: int
    after_seq: int
    last_seq: int
    rows: tuple[WireRow, ...]
    gone: tuple[int, ...] = ()
    """Units whose latest record in the stretch is over."""


class DigestProbed(_Message, frozen=True):
    """R19: one step of comparing two digest trees, and the decided slot."""

    slot: int
    probe: Probe


class DigestSpread(_Message, frozen=True):
    """R19: (shard, owner, epoch, seq, floor, fingerprint) of shards where two trees differ."""

    slot: int
    leaves: tuple[int, ...]
    """Leaves of the tree whose shards these are, all of them that the sender knows of."""
    digests: tuple[tuple[ShardKey, str, int, int, int, int], ...]
    answer: bool


class RowsWanted(_Message, frozen=True):
    """Ask for all elements of shards whose digests differ."""

    shards: tuple[ShardKey, ...]
