"""What the core tells its callers: frozen values with the fields of the API's objects.

The edges (REST, gRPC, command line) turn these into their own text; nothing here knows JSON.
Wall-clock stamps are microseconds since the Unix epoch, ``None`` where there is none.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from nexus.model.pool import PoolSpec

T = TypeVar("T")


class PoolView(msgspec.Struct, frozen=True, gc=False):
    """A pool as it stands: what was asked, and what follows from it."""

    spec: PoolSpec
    generation: int
    shard_count: int
    size: int
    gateway: str | None
    """The address the pool reserves as gateway (IPv4), asked or defaulted."""
    created_us: int
    created: bool = False
    """True in the reply that made the pool (201), false where it existed (200)."""
    warnings: tuple[str, ...] = ()


class AllocationView(msgspec.Struct, frozen=True, gc=False):
    """One allocation.  ``ends_us`` None means permanent."""

    pool_id: str
    subscriber_id: str
    resource: str
    resource_type: str
    alloc_type: str
    epoch: int
    created_us: int
    ip: str | None = None
    prefix: int | None = None
    """Delegated prefix length, IPv6 only."""
    node_id: str | None = None
    backup_node_id: str | None = None
    is_backup: bool = False
    ttl_s: int = 0
    """TTL in seconds as asked (after the pool's maximum), 0 for permanent."""
    ends_us: int | None = None
    renewed_us: int | None = None
    not_after_us: int | None = None
    """Latest instant at which the caller may install this (R9); only on telling replies."""
    provisional: bool = False
    created: bool = False
    """True in the reply that made the allocation (201), false for a repeat (200)."""
    warnings: tuple[str, ...] = ()


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list in stable order."""

    items: tuple[T, ...]
    total: int
    next_cursor: str | None = None


class UsageView(msgspec.Struct, frozen=True, gc=False):
    """Units by state; free + held + cooling + locked + reserved = size, always."""

    pool_id: str
    size: int
    free: int
    held: int
    cooling: int
    locked: int
    reserved: int

    @property
    def utilization(self) -> float:
        """Held and cooling share of what can be given out, 0..1."""
        usable = self.size - self.reserved
        return 0.0 if usable <= 0 else (self.held + self.cooling) / usable


class ShardView(msgspec.Struct, frozen=True, gc=False):
    """One shard: who owns it, since which epoch, and its units by state."""

    pool_id: str
    index: int
    range: str
    owner: str | None
    epoch: int
    state: str
    """free, granted, serving, draining, released, expired, quarantined or fenced."""
    free: int
    held: int
    cooling: int
    locked: int
    reserved: int
    hold_remaining_ns: int | None = None
    """None where nobody holds it or the pool is pinned."""


class NodeView(msgspec.Struct, frozen=True, gc=False):
    """A member as this node sees it; ``status`` is active, suspect, expired or draining."""

    id: str
    role: str
    status: str
    best_before_us: int
    metadata: dict[str, str] = {}
    weight: float = 1.0
    shards: int = 0


class HashringView(msgspec.Struct, frozen=True):
    """Placement at a glance: members with weight and number of shards."""

    nodes: tuple[NodeView, ...]
    load_bound: float
    version: int


class HistoryEntry(msgspec.Struct, frozen=True, gc=False):
    """One span of a resource's past, newest first in `ExplainView`."""

    subscriber_id: str
    from_us: int
    to_us: int | None
    epoch: int
    reason: str
    cause_id: str


class ExplainView(msgspec.Struct, frozen=True):
    """Who holds or held a resource, when, by which epoch; ``state`` says why it is refused.

    ``state`` is free, held, cooling, locked, reserved.
    """

    pool_id: str
    resource: str
    state: str
    holder: str | None
    shard: ShardView
    history: tuple[HistoryEntry, ...]


class BatchItem(msgspec.Struct, frozen=True, gc=False):
    """One answer of a batch: exactly one of the two is set."""

    allocation: AllocationView | None
    error: Exception | None


class BatchView(msgspec.Struct, frozen=True):
    """Answers in the order asked."""

    results: tuple[BatchItem, ...]


class BackupsView(msgspec.Struct, frozen=True, gc=False):
    """How many allocations got a backup label by this call."""

    pool_id: str
    backup_node_id: str
    allocations_count: int


class ReadyView(msgspec.Struct, frozen=True):
    """Readiness with the reasons why not; warnings do not make a node unready."""

    ready: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class VotersView(msgspec.Struct, frozen=True, gc=False):
    """Who votes, and who will when a change that is under way ends well (else empty)."""

    number: int
    voters: tuple[str, ...]
    next_voters: tuple[str, ...] = ()
    silent: bool = False
    """The node that answers should vote but may not (yet); `/ready` tells why."""
    begun: bool = False
    """The call that this answers has begun a change."""


class ReleaseTicket(msgspec.Struct, frozen=True, gc=False):
    """Between members: the record that a release would end, see `nexus.core.tickets`."""

    epoch: int
    seq: int
    number: int
    """Of this ticket: an older one for the same record is void, and stays so."""


class Done(msgspec.Struct, frozen=True, gc=False):
    """Success without an object (204)."""

    warnings: tuple[str, ...] = ()
