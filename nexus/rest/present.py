"""From the core's views to the API's objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from nexus.errors import NexusError
from nexus.model.time import NS_PER_S
from nexus.model.views import (
    AllocationView,
    ExplainView,
    HashringView,
    NodeView,
    Page,
    PoolView,
    ShardView,
    UsageView,
    VotersView,
)
from nexus.rest import schemas
from nexus.rest.http import presents
from nexus.rest.times import rfc3339, rfc3339_or_none

V = TypeVar("V")
R = TypeVar("R")


@presents(AllocationView)
def allocation(view: AllocationView, warnings: tuple[str, ...] = ()) -> schemas.AllocationReply:
    """One allocation; ``warnings`` of the request come before those of the core."""
    ends_us = view.ends_us
    renewed_us = view.renewed_us
    not_after_us = view.not_after_us
    return schemas.AllocationReply(
        view.pool_id,
        view.subscriber_id,
        view.resource,
        rfc3339(view.created_us),
        view.epoch,
        view.alloc_type,
        view.ip,
        view.prefix,
        view.ttl_s,
        None if ends_us is None else rfc3339(ends_us),
        None if renewed_us is None else rfc3339(renewed_us),
        None if not_after_us is None else rfc3339(not_after_us),
        view.node_id,
        view.backup_node_id,
        view.is_backup,
        view.provisional,
        warnings + view.warnings if warnings else view.warnings,
    )


@presents(PoolView)
def pool(view: PoolView, warnings: tuple[str, ...] = ()) -> schemas.PoolReply:
    """A pool; the gateway is the one in force, asked or defaulted."""
    spec = view.spec
    fields = msgspec.structs.asdict(spec)
    fields["block_size"] = spec.block_size or None
    fields["gateway"] = view.gateway
    return schemas.PoolReply(
        **fields,
        shard_count=view.shard_count,
        size=view.size,
        generation=view.generation,
        created_at=rfc3339(view.created_us),
        warnings=warnings + view.warnings,
    )


@presents(NodeView)
def node(view: NodeView, warnings: tuple[str, ...] = ()) -> schemas.NodeReply:
    """A member."""
    return schemas.NodeReply(
        id=view.id,
        role=view.role,
        status=view.status,
        best_before=rfc3339(view.best_before_us),
        metadata=view.metadata,
        weight=view.weight,
        shards=view.shards,
        warnings=warnings,
    )


@presents(VotersView)
def voters(view: VotersView, warnings: tuple[str, ...] = ()) -> schemas.VotersReply:
    """Who votes."""
    return schemas.VotersReply(
        number=view.number,
        voters=view.voters,
        next_voters=view.next_voters,
        silent=view.silent,
        warnings=warnings,
    )


@presents(UsageView)
def usage(view: UsageView) -> schemas.UsageReply:
    """Units of a pool by state."""
    return schemas.UsageReply(
        view.pool_id,
        view.size,
        view.free,
        view.held,
        view.cooling,
        view.locked,
        view.reserved,
        round(view.utilization, 6),
    )


@presents(ShardView)
def shard(view: ShardView) -> schemas.ShardReply:
    """One shard; the hold's rest in seconds with three digits."""
    remaining_ns = view.hold_remaining_ns
    return schemas.ShardReply(
        index=view.index,
        range=view.range,
        owner=view.owner,
        epoch=view.epoch,
        state=view.state,
        hold_remaining_seconds=None if remaining_ns is None else round(remaining_ns / NS_PER_S, 3),
        free=view.free,
        held=view.held,
        cooling=view.cooling,
        locked=view.locked,
        reserved=view.reserved,
    )


@presents(HashringView)
def hashring(view: HashringView) -> schemas.HashringReply:
    """Placement."""
    nodes = tuple(schemas.HashringNode(each.id, each.weight, each.shards) for each in view.nodes)
    return schemas.HashringReply(nodes, view.load_bound, view.version)


@presents(ExplainView)
def explain(view: ExplainView) -> schemas.ExplainReply:
    """A resource's present and past."""
    history = tuple(
        schemas.HistoryReply(
            subscriber_id=span.subscriber_id,
            from_=rfc3339(span.from_us),
            to=rfc3339_or_none(span.to_us),
            epoch=span.epoch,
            reason=span.reason,
            cause_id=span.cause_id,
        )
        for span in view.history
    )
    return schemas.ExplainReply(
        pool_id=view.pool_id,
        resource=view.resource,
        state=view.state,
        holder=view.holder,
        shard=shard(view.shard),
        history=history,
    )


def page(view: Page[V], build: Callable[..., R], one: Callable[[V], Any], **more: Any) -> R:
    """A page struct such as `schemas.PoolPage` from a page of views."""
    items = tuple([one(item) for item in view.items])
    return build(items, len(items), view.total, view.next_cursor, **more)


def unknown_error(error: Exception | None) -> NexusError:
    """A `NexusError` as it is; anything else is a defect and may have happened half way."""
    if isinstance(error, NexusError):
        return error
    return NexusError("internal_error", "internal error; see the log", definite=False)
