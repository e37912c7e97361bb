"""Read pools: one, all, usage, shards."""

from __future__ import annotations

import msgspec


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
