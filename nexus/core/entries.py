"""Log entries: what a node writes before it says anything.

Every entry is a join: replaying it on a state that has it already, or has something newer, changes
nothing.  So a snapshot may be written piece by piece while the node serves, and the log since its
beginning is replayed on top.  Instants are on the node's own persisted timelines
(`nexus.ownership.clocks`), dated by the `ClockMark` entries around them (R11).
"""

from __future__ import annotations

import msgspec

from nexus.core.decided import Value
from nexus.core.members import Member
from nexus.core.pool_record import PoolRecord
from nexus.devices.records import DeviceRecord
from nexus.ownership.clocks import ClockMark
from nexus.ownership.configuration import Configuration
from nexus.ownership.shard import Row
from nexus.ownership.values import Ballot, Grant, Seal, Session


class _Entry(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Base of all entries: tagged by class name."""


class SessionStarted(_Entry, frozen=True):
    """A process start (R22); the first entry of every session."""

    cluster_id: str
    member: str
    incarnation: int
    session: Session
    mark: ClockMark


class ClockRead(_Entry, frozen=True):
    """The timelines beside the clocks; written whenever the log has not seen them for a while."""

    mark: ClockMark


class RowsWritten(_Entry, frozen=True):
    """Rows of one pool, newest elements of their units; ``rows`` may be one."""

    pool_no: int
    rows: tuple[Row, ...]


class OpenRowsKept(_Entry, frozen=True):
    """Open rows of one pool without flags, column by column; only in snapshots.

    In order of units.  A column of one value stands for that value in all rows; no ``blocked``
    stands for ``ends``.
    """

    pool_no: int
    units: list[int]
    subscribers: list[str]
    epochs: list[int]
    seqs: list[int]
    kinds: list[int]
    ttls_s: list[int]
    ends: list[int]
    blocked: list[int]
    created_us: list[int]
    renewed_us: list[int]
    node_ids: list[str | None]
    backup_node_ids: list[str | None]


class VoterWritten(_Entry, frozen=True):
    """One voter's part of one register, whole."""

    pool_no: int
    shard: int
    promised: Ballot
    grant: Grant | None
    mark: str | None
    seal: Seal | None
    session: Session
    quarantine: bool
    acked_seq: int
    commit_seq: int
    last_commit: tuple[int, int]
    last_held: tuple[int, int] = (0, 0)


ABANDONED = "abandoned"
"""State of an `OwnerWritten` without a grant: proposed, not won, and never to be served."""


class OwnerWritten(_Entry, frozen=True):
    """One owner's part of one grant; ``grant`` None: given up or released for ever."""

    pool_no: int
    shard: int
    epoch: Ballot
    grant: Grant | None
    state: str
    base_end: int
    confirm: tuple[int, int]
    seal: Seal | None


class GrantsProposed(_Entry, frozen=True):
    """A candidate is about to propose its ballot to the voters; an `OwnerWritten` tells if it won.

    What was proposed and not won before the process ended was never served: it is given back.
    """

    epoch: Ballot
    shards: tuple[tuple[int, int], ...]
    """(pool_no, shard)."""


class HoldsWritten(_Entry, frozen=True):
    """What was left of this owner's holds at a moment; only where it may resume them offline."""

    mark: ClockMark
    holds: tuple[tuple[int, int, Ballot, int], ...]
    """(pool_no, shard, epoch, nanoseconds left)."""


class ReplicaWritten(_Entry, frozen=True):
    """How far this node has a shard's elements: all of ``epoch`` up to ``seq``; epoch floor."""

    pool_no: int
    shard: int
    owner: str | None
    floor: int
    epoch: int
    seq: int


class SlotWritten(_Entry, frozen=True):
    """A voter's part of one decision slot, or a slot's decided value."""

    slot: int
    promised: Ballot
    accepted_ballot: Ballot
    accepted: Value | None
    decided: bool


class ConfigWritten(_Entry, frozen=True):
    """The voter configuration this node is in, and its part in deciding the next."""

    configuration: Configuration
    promised: Ballot
    accepted_ballot: Ballot
    accepted: Configuration | None
    complete: bool
    complete_before: bool = True
    """It was complete in the stable configuration before this one (R21 c)."""
    admitted: bool = True
    """Its disk has been a complete voter (R21 d)."""
    lives: tuple[tuple[str, int], ...] = ()
    """Voter -> the incarnation that its id belongs to (R21 d)."""


class CatalogWritten(_Entry, frozen=True):
    """Everything decided up to ``slot``, in one piece; only in snapshots."""

    slot: int
    pools: tuple[PoolRecord, ...]
    members: tuple[Member, ...]
    devices: tuple[DeviceRecord, ...]
    gone: dict[int, int] = {}
    """pool_no -> slow instant of the deletion, of deleted pools that still block something."""
    generations: dict[str, int] = {}
    """Highest generation of each pool id ever made, pools that are forgotten included."""


Entry = (
    SessionStarted
    | ClockRead
    | RowsWritten
    | OpenRowsKept
    | VoterWritten
    | OwnerWritten
    | GrantsProposed
    | HoldsWritten
    | ReplicaWritten
    | SlotWritten
    | ConfigWritten
    | CatalogWritten
)
