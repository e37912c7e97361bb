"""Turn rows and shards into the views that callers get."""

from __future__ import annotations

from nexus.core.context import Context
from nexus.model.time import NS_PER_US, US_PER_S
from nexus.model.views import AllocationView, PoolView, ShardView, UsageView
from nexus.ownership import holding
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import (
    FLAG_PROVISIONAL,
    FLAG_RETIRED,
    KINDS,
    PERMANENT,
    SERVING,
    Row,
    Shard,
)

WALL_SLACK_US = 100_000
"""An end told twice reads the same to the microsecond unless the wall clock moved by more."""


def ends_us(wall_us: int, told: int, row: Row) -> int:
    """The wall-clock end of a row that has one."""
    nominal = (row.renewed_us or row.created_us) + row.ttl_s * US_PER_S
    actual = wall_us + (row.ends - told) // NS_PER_US
    return nominal if -WALL_SLACK_US < nominal - actual < WALL_SLACK_US else actual


def allocation_view(
    ctx: Context,
    pool: PoolState,
    row: Row,
    *,
    created: bool = False,
    not_after: int | None = None,
    told_until: int | None = None,
    warnings: tuple[str, ...] = (),
) -> AllocationView:
    """The API's object of an open row.

    ``not_after`` is a fast instant (R9); ``told_until`` a shorter end, on the told timeline, where
    the full one may not be told (R8 d).
    """
    geometry = pool.geometry
    clocks = ctx.clocks
    wall_us = clocks.wall_us
    if told_until is not None:
        until_us: int | None = wall_us + (told_until - clocks.told) // NS_PER_US
    elif row.ends == 0:
        until_us = None
    else:
        until_us = ends_us(wall_us, clocks.told, row)
    not_after_us = None
    if not_after is not None and not_after < holding.FOREVER:
        not_after_us = wall_us + (not_after - clocks.fast) // NS_PER_US
    resource = geometry.format(row.index)
    return AllocationView(
        pool.spec.id,
        row.subscriber,
        resource,
        geometry.type,
        KINDS[row.kind],
        row.epoch,
        row.created_us,
        resource if geometry.type == "ipv4" else geometry.ip(row.index),
        geometry.prefix(),
        row.node_id,
        row.backup_node_id,
        False,
        0 if row.kind == PERMANENT else row.ttl_s,
        until_us,
        row.renewed_us or None,
        not_after_us,
        told_until is not None or bool(row.flags & FLAG_PROVISIONAL),
        created,
        warnings,
    )


def pool_view(
    pool: PoolState, *, created: bool = False, warnings: tuple[str, ...] = ()
) -> PoolView:
    """The API's object of a pool."""
    geometry = pool.geometry
    return PoolView(
        pool.spec,
        pool.generation,
        geometry.shard_count,
        geometry.size,
        geometry.gateway,
        pool.created_us,
        created,
        warnings,
    )


def serves(ctx: Context, shard: Shard) -> bool:
    """This node serves the shard now."""
    owner = shard.owner
    return (
        owner is not None
        and owner.state == SERVING
        and holding.r5_holds(owner, ctx.clocks.fast)
        and not holding.r15_quarantined(owner, ctx.clocks.slow)
    )


def served(ctx: Context, shard: Shard) -> bool:
    """Somebody serves the shard, as far as this node can tell."""
    if shard.owner is not None:
        return serves(ctx, shard)
    return shard.known_owner is not None and shard.known_owner != ctx.me


def usage_view(ctx: Context, pool: PoolState) -> UsageView:
    """Units of a pool by state."""
    free = held = cooling = locked = reserved = 0
    for shard in pool.shards:
        counts = pool.counts(shard, served=served(ctx, shard))
        free += counts[0]
        held += counts[1]
        cooling += counts[2]
        locked += counts[3]
        reserved += counts[4]
    size = pool.geometry.size
    return UsageView(pool.spec.id, size, free, held, cooling, locked, reserved)


def shard_state(ctx: Context, shard: Shard) -> str:
    """One word for how a shard stands, as this node sees it."""
    owner = shard.owner
    if owner is not None:
        if holding.r15_quarantined(owner, ctx.clocks.slow):
            return "quarantined"
        if owner.state == SERVING and not holding.r5_holds(owner, ctx.clocks.fast):
            return "expired"
        return owner.state
    if shard.voter.mark is not None:
        return shard.voter.mark
    if shard.known_owner is not None:
        return "granted"
    return "free"


def shard_view(ctx: Context, pool: PoolState, shard: Shard) -> ShardView:
    """The API's object of a shard."""
    owner = shard.owner
    remaining = None
    epoch = shard.have_epoch
    if owner is not None:
        epoch = owner.grant.epoch.counter
        if owner.hold_until < holding.FOREVER:
            remaining = max(0, owner.hold_until - ctx.clocks.fast)
    free, held, cooling, locked, reserved = pool.counts(shard, served=served(ctx, shard))
    return ShardView(
        pool.spec.id,
        shard.index,
        pool.geometry.format_range(shard.start, shard.stop),
        ctx.me if owner is not None else shard.known_owner,
        epoch,
        shard_state(ctx, shard),
        free,
        held,
        cooling,
        locked,
        reserved,
        remaining,
    )


def is_retired(row: Row) -> bool:
    """R20: the younger of two allocations of one subscriber."""
    return bool(row.flags & FLAG_RETIRED)
