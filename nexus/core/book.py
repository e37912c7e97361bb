"""The pools that a node knows: live ones by id, and deleted ones whose addresses still block."""

from __future__ import annotations

from nexus.errors import NexusError
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import Shard


class PoolBook:
    """Pools by number (all generations) and by id (live ones, in order of creation)."""

    __slots__ = ("by_id", "by_no", "generations")

    def __init__(self) -> None:
        self.by_no: dict[int, PoolState] = {}
        self.by_id: dict[str, PoolState] = {}
        self.generations: dict[str, int] = {}
        """Highest generation of each pool id ever made."""

    def add(self, pool: PoolState) -> None:
        """A pool was decided."""
        self.by_no[pool.pool_no] = pool
        self.by_id[pool.spec.id] = pool
        self.note_generation(pool.spec.id, pool.generation)

    def note_generation(self, pool_id: str, generation: int) -> None:
        """A pool of this id was made so many times, at least."""
        self.generations[pool_id] = max(generation, self.generations.get(pool_id, 0))

    def retire(self, pool: PoolState, at_us: int) -> None:
        """A pool was deleted: its id is free, what was told of it still blocks (R10)."""
        pool.retired_us = at_us
        if self.by_id.get(pool.spec.id) is pool:
            del self.by_id[pool.spec.id]

    def drop(self, pool: PoolState) -> None:
        """Nothing told of a deleted pool can be in use any more."""
        self.by_no.pop(pool.pool_no, None)

    def predecessors(self, pool: PoolState) -> list[PoolState]:
        """Deleted pools whose addresses may still be in use where ``pool`` gives them again."""
        return [
            old
            for old in self.by_no.values()
            if old.retired_us is not None
            and old is not pool
            and old.geometry.overlaps(pool.geometry)
            and (not pool.spec.allow_overlap or old.spec.id == pool.spec.id)
        ]

    def require(self, pool_id: str) -> PoolState:
        """The live pool of this id, or pool_not_found."""
        pool = self.by_id.get(pool_id)
        if pool is None:
            raise NexusError("pool_not_found", f"pool not found: {pool_id}")
        return pool

    def shard(self, key: tuple[int, int]) -> Shard | None:
        """A shard by its key, None if the pool is not known (any more)."""
        pool = self.by_no.get(key[0])
        if pool is None or not 0 <= key[1] < len(pool.shards):
            return None
        return pool.shards[key[1]]
