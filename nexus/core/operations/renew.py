"""Renew the TTL of an allocation."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.finding import find_row, owner_of_row, refuse_writes
from nexus.core.operations.allocate import tell_row
from nexus.core.shaping import is_retired
from nexus.core.telling import GET, RENEW
from nexus.errors import NexusError, validation
from nexus.ownership.shard import PERMANENT


class Renew(msgspec.Struct, frozen=True, gc=False):
    """Answer: `AllocationView`; allocation_not_found, allocation_permanent.

    ``ttl_s`` None or 0 keeps the TTL that the allocation has.
    """

    subscriber_id: str
    pool_id: str | None = None
    ttl_s: int | None = None


def run(node: Services, request: Renew, call: Call) -> None:
    """A new record with a new end; what is gone is never brought back."""
    refuse_writes(node)
    asked_s = request.ttl_s or 0
    if asked_s < 0:
        raise validation("ttl", f"must not be negative, got {asked_s}")
    pool, row = find_row(node, request.subscriber_id, request.pool_id)
    if row.kind == PERMANENT and asked_s:
        raise NexusError("allocation_permanent", "a permanent allocation takes no ttl")
    if not owner_of_row(node, pool, row, call):
        return
    if is_retired(row):
        raise NexusError("allocation_not_found", "a newer allocation of a partition is not renewed")
    if row.kind == PERMANENT:
        node.telling.start(tell_row(node, pool, row, GET, call))
        return
    warnings: tuple[str, ...] = ()
    ttl_s = asked_s or row.ttl_s
    if ttl_s > pool.spec.max_ttl:
        warnings = (f"ttl {ttl_s} was cut to max_ttl {pool.spec.max_ttl}",)
        ttl_s = pool.spec.max_ttl
    pending = tell_row(node, pool, row, RENEW, call)
    node.leasing.extend(pool, pending.shard, row, ttl_s)
    pending.seq = row.seq
    pending.epoch = row.epoch
    pending.warnings = warnings
    node.telling.start(pending)
