"""The API's JSON objects: one struct each, for decoding, encoding and the OpenAPI document.

Requests refuse unknown keys, so that `nexus.rest.decode` sees them (and then only warns).  In
replies a key without a value is absent, never null, and lists are ``[]``: strict Go decoders read
them.  Integers are plain integers, times RFC 3339 text.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

TTL_S_MAX = 2**63 - 1
"""What fits a Go int64; the pool's ``max_ttl`` cuts further."""
BATCH_MAX = 1_000

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
PoolId = Annotated[
    str,
    Meta(
        min_length=1,
        description="1 to 128 letters, digits, `. _ -`; first and last a letter or digit.",
        extra_json_schema={"pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$"},
    ),
]
NodeId = PoolId
SubscriberId = Annotated[
    str,
    Meta(
        min_length=1,
        description="1 to 256 letters, digits, `. _ : @ - / + = # ~ ,`; the first a letter or"
        " digit, the last no hyphen.",
        extra_json_schema={
            "pattern": "^[A-Za-z0-9]([A-Za-z0-9._:@/+=#~,-]{0,254}[A-Za-z0-9._:@/+=#~,])?$"
        },
    ),
]
TtlSeconds = Annotated[int, Meta(ge=0, le=TTL_S_MAX)]
AllocType = Literal["session", "sticky", "permanent"]
PoolType = Literal["ipv4", "ipv6", "vlan", "svlan", "port"]


class Request(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Base of request bodies."""


class Reply(msgspec.Struct, omit_defaults=True, frozen=True, gc=False):
    """Base of reply bodies; only absent things have defaults."""


class PoolRequest(Request, frozen=True, kw_only=True):
    """Definition of a pool; durations in seconds."""

    id: PoolId
    type: PoolType | None = None
    cidr: str | None = None
    range: str | None = None
    c_vlan: str | None = None
    prefix: int | None = None
    block_size: int | None = None
    sharding_factor: int | None = None
    gateway: str | None = None
    dns: list[str] | None = None
    exclusions: list[str] | None = None
    metadata: dict[str, str] | None = None
    backup_ratio: float | None = None
    allow_overlap: bool | None = None
    cooldown: int | None = None
    horizon: int | None = None
    mclt: int | None = None
    default_ttl: int | None = None
    max_ttl: int | None = None
    pinned: bool | None = None
    fast_failover: bool | None = None
    headroom_shards: int | None = None
    load_bound: float | None = None


class PoolReply(Reply, frozen=True, kw_only=True):
    """A pool: its definition and what follows from it."""

    id: str
    type: str
    cidr: str | None = None
    range: str | None = None
    c_vlan: str | None = None
    prefix: int
    block_size: int | None = None
    exclusions: tuple[str, ...]
    metadata: dict[str, str]
    sharding_factor: int
    shard_count: int
    size: int
    backup_ratio: float
    gateway: str | None = None
    dns: tuple[str, ...]
    allow_overlap: bool
    cooldown: int
    horizon: int | None = None
    mclt: int
    default_ttl: int
    max_ttl: int
    pinned: bool
    fast_failover: bool
    headroom_shards: int
    load_bound: float
    generation: int
    created_at: Time
    warnings: tuple[str, ...] = ()


class AllocationRequest(Request, frozen=True):
    """Ask for a resource; without ``ip`` (or ``resource``) the pool chooses."""

    pool_id: PoolId
    subscriber_id: SubscriberId
    ttl: TtlSeconds | None = None
    alloc_type: AllocType | None = None
    ip: str | None = None
    resource: str | None = None
    node_id: NodeId | None = None
    backup_node_id: NodeId | None = None
    provisional: bool | None = None


class AllocationReply(Reply, frozen=True):
    """One allocation.  ``ip`` is the bare address of the two IP types, ``prefix`` IPv6 only."""

    pool_id: str
    subscriber_id: str
    resource: str
    timestamp: Time
    epoch: int
    alloc_type: str
    ip: str | None = None
    prefix: int | None = None
    ttl: int = 0
    expires_at: Time | None = None
    last_renewed: Time | None = None
    not_after: Time | None = None
    node_id: str | None = None
    backup_node_id: str | None = None
    is_backup: bool = False
    provisional: bool = False
    warnings: tuple[str, ...] = ()


class RenewRequest(Request, frozen=True):
    """``ttl`` 0 or absent keeps the TTL."""

    ttl: TtlSeconds | None = None


class BatchRequest(Request, frozen=True):
    """Up to 1,000 allocations, each as in a single request."""

    allocations: list[AllocationRequest]


class ErrorReply(Reply, frozen=True):
    """Any refusal; ``definite`` false means that it may still happen."""

    error: str
    code: str
    definite: bool
    cause_id: str
    allocation: AllocationReply | None = None


class BatchResult(Reply, frozen=True):
    """One answer of a batch: the status that a single request had got, and one of the two."""

    status: int
    allocation: AllocationReply | None = None
    error: Any = None


class BatchReply(Reply, frozen=True):
    """Answers in the order asked."""

    results: tuple[BatchResult, ...]
    count: int
    failed: int
    warnings: tuple[str, ...] = ()


class BackupsRequest(Request, frozen=True):
    """Label allocations of other nodes with this backup node."""

    backup_node_id: NodeId


class BackupsReply(Reply, frozen=True):
    """How many were labelled by this call."""

    pool_id: str
    backup_node_id: str
    allocations_count: int
    warnings: tuple[str, ...] = ()


class FenceRequest(Request, frozen=True):
    """The operator's evidence that the member is gone."""

    statement: str | None = None


class VotersRequest(Request, frozen=True):
    """Core members that are to vote."""

    voters: Annotated[tuple[NodeId, ...], Meta(min_length=1, max_length=5)]


class VotersReply(Reply, frozen=True, kw_only=True):
    """Who votes; ``next_voters`` while a change is under way."""

    number: int
    voters: tuple[str, ...]
    next_voters: tuple[str, ...] = ()
    silent: bool = False
    warnings: tuple[str, ...] = ()


class ConfirmRetiredRequest(Request, frozen=True):
    """Which allocation of the subscriber is out of use."""

    pool_id: PoolId
    resource: Annotated[str, Meta(min_length=1)]


class UsageReply(Reply, frozen=True):
    """Units by state; they add up to ``size``."""

    pool_id: str
    size: int
    free: int
    held: int
    cooling: int
    locked: int
    reserved: int
    utilization: float


class ShardReply(Reply, frozen=True, kw_only=True):
    """One shard of a pool."""

    index: int
    range: str
    owner: str | None = None
    epoch: int
    state: str
    hold_remaining_seconds: float | None = None
    free: int
    held: int
    cooling: int
    locked: int
    reserved: int


class NodeReply(Reply, frozen=True, kw_only=True):
    """A member."""

    id: str
    role: str
    status: str
    best_before: Time
    metadata: dict[str, str]
    weight: float
    shards: int
    warnings: tuple[str, ...] = ()


class HashringNode(Reply, frozen=True):
    """A member's share of the shards."""

    id: str
    weight: float
    shards: int


class HashringReply(Reply, frozen=True):
    """Placement at a glance."""

    nodes: tuple[HashringNode, ...]
    load_bound: float
    version: int


class HistoryReply(Reply, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One span of a resource's past."""

    subscriber_id: str
    from_: Time
    to: Time | None = None
    epoch: int
    reason: str
    cause_id: str


class ExplainReply(Reply, frozen=True, kw_only=True):
    """Who holds or held a resource; history newest first."""

    pool_id: str
    resource: str
    state: str
    holder: str | None = None
    shard: ShardReply
    history: tuple[HistoryReply, ...]


class PoolPage(Reply, frozen=True):
    """Pools in order of creation."""

    pools: tuple[PoolReply, ...]
    count: int
    total: int
    next_cursor: str | None = None


class AllocationPage(Reply, frozen=True):
    """Allocations; ``node_id``, ``backup_node_id``, ``expiring_before`` where they were asked."""

    allocations: tuple[AllocationReply, ...]
    count: int
    total: int
    next_cursor: str | None = None
    node_id: str | None = None
    backup_node_id: str | None = None
    expiring_before: Time | None = None


class NodePage(Reply, frozen=True):
    """Members by id."""

    nodes: tuple[NodeReply, ...]
    count: int
    total: int
    next_cursor: str | None = None


class ShardPage(Reply, frozen=True):
    """Shards by index."""

    shards: tuple[ShardReply, ...]
    count: int
    total: int
    next_cursor: str | None = None


class HealthReply(Reply, frozen=True):
    """``healthy`` or ``unhealthy`` with the reason."""

    status: str
    reason: str | None = None


class ReadyReply(Reply, frozen=True):
    """Readiness; warnings do not make a node unready."""

    ready: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
