"""Read pools: one, all, usage, shards."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.paging import cut
from nexus.core.shaping import pool_view, shard_view, usage_view


class GetPool(msgspec.Struct, frozen=True):
    """Answer: `PoolView`; pool_not_found."""

    pool_id: str


class ListPools(msgspec.Struct, frozen=True):
    """Answer: `Page[PoolView]` in order of creation."""

    limit: int = 1000
    cursor: str | None = None


class GetUsage(msgspec.Struct, frozen=True):
    """Answer: `UsageView`; pool_not_found."""

    pool_id: str


class ListShards(msgspec.Struct, frozen=True):
    """Answer: `Page[ShardView]` by index; pool_not_found."""

    pool_id: str
    limit: int = 1000
    cursor: str | None = None


def get_pool(node: Services, request: GetPool, call: Call) -> None:
    """One pool."""
    node.answer(call, pool_view(node.book.require(request.pool_id)))


def list_pools(node: Services, request: ListPools, call: Call) -> None:
    """Pools in order of creation; the cursor is the number of the last one told."""
    pools = sorted(node.book.by_id.values(), key=lambda pool: pool.pool_no)
    page = cut(pools, request, lambda pool: pool.pool_no, pool_view)
    node.answer(call, page)


def get_usage(node: Services, request: GetUsage, call: Call) -> None:
    """Units of a pool by state."""
    node.answer(call, usage_view(node.ctx, node.book.require(request.pool_id)))


def list_shards(node: Services, request: ListShards, call: Call) -> None:
    """Shards of a pool by index."""
    pool = node.book.require(request.pool_id)
    page = cut(
        pool.shards,
        request,
        lambda shard: shard.index,
        lambda shard: shard_view(node.ctx, pool, shard),
    )
    node.answer(call, page)
