"""Allocate a resource to a subscriber (R7, R20): one live allocation per pool and subscriber."""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.finding import local_shard, owner_of_row, refuse_writes, routed_away
from nexus.core.telling import ALLOCATE, Pending
from nexus.errors import NexusError, validation
from nexus.model.time import NS_PER_S
from nexus.model.views import BatchItem, BatchView
from nexus.ownership import holding
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import (
    CLOSED,
    FLAG_DOUBTFUL,
    FLAG_FREE,
    FLAG_REDATE,
    HELD,
    KIND_OF,
    KINDS,
    PERMANENT,
    SESSION,
    Row,
)

BATCH_MAX = 1_000
VISITS_MAX = 16
"""Members that are asked for a free unit at most, one after the other."""


class Allocate(msgspec.Struct, frozen=True, gc=False):
    """Answer: `AllocationView` (``created`` tells 201 from 200).

    Absent values are None; ``ttl_s`` None means the pool's default where the type needs one.
    """

    pool_id: str
    subscriber_id: str
    resource: str | None = None
    """An explicit resource (``ip`` in the API)."""
    node_id: str | None = None
    backup_node_id: str | None = None
    ttl_s: int | None = None
    alloc_type: str | None = None
    provisional: bool = False


class AllocateBatch(msgspec.Struct, frozen=True):
    """Answer: `BatchView`, one durable commit for all, at most 1,000 items.

    An item that was already refused while it was decoded is a `NexusError` in its place.
    """

    items: tuple[Allocate | Exception, ...]


_Terms = tuple[int, int, tuple[str, ...]]
"""(kind, ttl_s, warnings): what a request comes to under its pool's rules."""


def _terms(pool: PoolState, request: Allocate) -> _Terms:
    """Type and TTL: permanent without a TTL, session with one, never above the pool's maximum."""
    ttl_s = request.ttl_s or 0
    if ttl_s < 0:
        raise validation("ttl", f"must be positive, got {ttl_s}")
    if request.alloc_type is None:
        if 0 < ttl_s <= pool.spec.max_ttl:
            return SESSION, ttl_s, ()
        kind = SESSION if ttl_s else PERMANENT
    else:
        known = KIND_OF.get(request.alloc_type)
        if known is None:
            accepted = ", ".join(KINDS)
            raise validation("alloc_type", f"must be one of {accepted}, got {request.alloc_type!r}")
        kind = known
    if kind == PERMANENT:
        if ttl_s:
            raise validation("ttl", "a permanent allocation has no ttl")
        return kind, 0, ()
    spec = pool.spec
    wanted = ttl_s or spec.default_ttl
    if wanted > spec.max_ttl:
        return kind, spec.max_ttl, (f"ttl {wanted} was cut to max_ttl {spec.max_ttl}",)
    return kind, wanted, ()


def run(node: Services, request: Allocate, call: Call) -> None:
    """Find the owner, pick or repeat, and tell."""
    ctx = node.ctx
    if ctx.storage_failed is not None:
        refuse_writes(node)
    pool = node.book.by_id.get(request.pool_id) or node.book.require(request.pool_id)
    kind, ttl_s, warnings = _terms(pool, request)
    subscriber = request.subscriber_id
    row = pool.subs.get(subscriber)
    if row is not None and row.ends and row.ends <= ctx.clocks.told:
        node.leasing.next_due_ns = 0  # the alarm may be a moment late
        node.leasing.run_due()
        row = pool.subs.get(subscriber)
    if row is not None:
        if not owner_of_row(node, pool, row, call):
            return
        _repeat(node, pool, row, request, call)
        return
    if pool.frozen:
        raise NexusError("pool_not_found", f"pool {request.pool_id} is being deleted")
    if not ctx.alone and routed_away(node, pool, subscriber, call):
        return
    index = -1
    if request.resource is None and not pool.claims:
        index = pool.pick(subscriber)
    if index < 0:
        index = _choose(node, pool, request, call)
        if index < 0:
            return
    shard = local_shard(node, pool, index, call)
    if shard is None:
        return
    cause_id = call.cause_id
    row = node.leasing.open(
        pool,
        shard,
        index,
        subscriber,
        kind,
        ttl_s,
        request.node_id,
        request.backup_node_id,
        cause_id,
    )
    pending = Pending(
        ALLOCATE,
        call.reply_to,
        pool,
        shard,
        row,
        row.epoch,
        row.seq,
        cause_id,
        call.actor,
        True,
        warnings,
        request.provisional,
        call.origin,
        call.collector,
        call.place,
    )
    ctx.when_durable(node.telling.on_durable, pending)


def _start(node: Services, pending: Pending, request: Allocate, call: Call) -> None:
    pending.provisional = request.provisional
    pending.origin = call.origin
    pending.collector = call.collector
    pending.place = call.place
    node.telling.start(pending)


def _repeat(node: Services, pool: PoolState, row: Row, request: Allocate, call: Call) -> None:
    """The subscriber holds one already: tell it again, or say what contradicts it."""
    warnings: list[str] = []
    contradiction = ""
    if request.resource is not None and pool.geometry.parse(request.resource) != row.index:
        contradiction = f"the subscriber holds {pool.geometry.format(row.index)}"
    elif request.alloc_type is not None and KIND_OF.get(request.alloc_type) != row.kind:
        contradiction = f"the subscriber's allocation is of type {KINDS[row.kind]}"
    if contradiction:
        from nexus.core.shaping import allocation_view

        raise NexusError(
            "allocation_exists",
            f"subscriber already has an allocation: {contradiction}",
            allocation=allocation_view(node.ctx, pool, row),
        )
    if request.ttl_s and request.ttl_s != row.ttl_s:
        warnings.append("ttl was not changed: renew is the way")
    if request.node_id and request.node_id != row.node_id:
        warnings.append("node_id was not changed")
    pending = tell_row(node, pool, row, ALLOCATE, call)
    pending.warnings = tuple(warnings)
    _start(node, pending, request, call)


def tell_row(node: Services, pool: PoolState, row: Row, verb: str, call: Call) -> Pending:
    """An answer that tells an open row again (R8 d, R15 iv)."""
    shard = pool.shard_at(row.index)
    owner = shard.owner
    assert owner is not None
    if row.flags & FLAG_DOUBTFUL:
        if holding.r15_quarantined(owner, node.ctx.clocks.slow):
            raise NexusError(
                "owner_unreachable",
                "the shard is in quarantine after a lost disk",
                retry_after_s=30,
            )
        row.flags &= ~FLAG_DOUBTFUL
    if row.flags & FLAG_REDATE:
        node.leasing.redate(pool, shard, row)
    pending = Pending(
        verb, call.reply_to, pool, shard, row, row.epoch, row.seq, call.cause_id, call.actor
    )
    pending.origin = call.origin
    return pending


def _choose(node: Services, pool: PoolState, request: Allocate, call: Call) -> int:
    """The unit to give, -1 if the call now waits or goes elsewhere."""
    if request.resource is not None:
        return _explicit(node, pool, request)
    subscriber = request.subscriber_id
    claim = pool.claims.get(subscriber)
    if claim is not None and claim.length == CLOSED:
        shard = pool.shard_at(claim.index)
        if shard.owner is not None:
            return claim.index
    index = pool.pick(subscriber)
    if index < 0:
        index = pool.pick_claimed(request.subscriber_id)
    if index < 0:
        _nothing_free(node, pool, call)
    return index


def _explicit(node: Services, pool: PoolState, request: Allocate) -> int:
    """The unit asked for, if it may be given to this subscriber."""
    assert request.resource is not None
    index = pool.geometry.parse(request.resource)
    if index in pool.geometry.reserved:
        raise NexusError("resource_excluded", f"{request.resource} is reserved in this pool")
    row = pool.row_at(index)
    if row is None or (row.length == CLOSED and row.subscriber == request.subscriber_id):
        return index
    if row.length == HELD:
        raise NexusError("resource_taken", f"{request.resource} is held by another subscriber")
    if row.flags & FLAG_FREE:
        if pool.available:
            raise NexusError(
                "resource_taken", f"{request.resource} is reserved for its sticky subscriber"
            )
        return index
    wait_s = max(1, -(-(row.blocked - node.ctx.clocks.slow) // NS_PER_S))
    raise NexusError(
        "resource_cooling", f"{request.resource} is not reusable yet", retry_after_s=wait_s
    )


def _nothing_free(node: Services, pool: PoolState, call: Call) -> None:
    """Nothing to give here: wait for a grant, ask another owner, or say that it is exhausted."""
    ours = [shard for shard in pool.shards if shard.owner is not None]
    fast, slow = node.ctx.clocks.fast, node.ctx.clocks.slow
    waiting = any(
        shard.owner is not None and not holding.r7_may_allocate(shard.owner, fast, slow)
        for shard in ours
    )
    others = sorted(
        {
            shard.known_owner
            for shard in pool.shards
            if shard.owner is None and shard.known_owner not in (None, node.ctx.me)
        }
    )
    # The member that was asked first may only have passed the call on: it may be asked once more.
    tried = call.visited[1:]
    untried = [str(name) for name in others if name not in tried]
    if untried and len(call.visited) < VISITS_MAX:
        node.forward(untried[0], call)
        return
    if waiting or (not others and len(ours) < len(pool.shards)):
        node.wait_for_grant(call)
        return
    detail: dict[str, Any] = {}
    due = pool.cooling_queue.next_due_ns()
    if due is not None:
        detail["retry_after_s"] = max(1, -(-(due - slow) // NS_PER_S))
    raise NexusError("pool_exhausted", f"no free resource in pool {pool.spec.id}", **detail)


class _Batch:
    """Gathers the answers of one batch."""

    def __init__(self, node: Services, call: Call, count: int) -> None:
        self.node = node
        self.call = call
        self.results: list[BatchItem | None] = [None] * count
        self.missing = count

    def put(self, place: int, result: Any) -> None:
        """One item is answered."""
        if self.results[place] is not None:
            return
        if isinstance(result, Exception):
            self.results[place] = BatchItem(None, result)
        else:
            self.results[place] = BatchItem(result, None)
        self.missing -= 1
        if not self.missing:
            self.node.answer(self.call, BatchView(tuple(r for r in self.results if r is not None)))


def run_batch(node: Services, request: AllocateBatch, call: Call) -> None:
    """Each item on its own, all in one durable commit."""
    if not 1 <= len(request.items) <= BATCH_MAX:
        raise validation(
            "allocations", f"must have 1 to {BATCH_MAX} items, got {len(request.items)}"
        )
    batch = _Batch(node, call, len(request.items))
    for place, item in enumerate(request.items):
        if isinstance(item, Exception):
            batch.put(place, item)
            continue
        part = Call(
            call.reply_to,
            call.cause_id,
            call.actor,
            item,
            call.visited,
            collector=batch,
            place=place,
        )
        node.run(part)
