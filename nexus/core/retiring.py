"""R20: tell who serves the younger of two allocations of one subscriber that it is retired.

A partition made both; each is unique and stays valid.  The younger is not renewed any more, and a
permanent one ends when the node that serves it confirms (`ConfirmRetired`).
"""

from __future__ import annotations

from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.shaping import allocation_view
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import Row

RETIRED = "retired: the subscriber has an older allocation; confirm when this one is out of use"


class Retiring:
    """Retired rows of the shards that this node owns, each told once."""

    def __init__(self, ctx: Context, book: PoolBook) -> None:
        self.ctx = ctx
        self.book = book
        self._told: dict[tuple[int, int], str] = {}

    def look(self) -> None:
        """Rows of others have come: a subscriber may have turned out to have two."""
        if not self._told and not any(pool.doubles for pool in self.book.by_id.values()):
            return
        retired: dict[tuple[int, int], str] = {}
        for pool in self.book.by_id.values():
            for subscriber, rows in pool.doubles.items():
                for row in rows:
                    if pool.shard_at(row.index).owner is not None:
                        key = (pool.pool_no, row.index)
                        retired[key] = subscriber
                        if self._told.get(key) != subscriber:
                            self._tell(pool, row)
        self._told = retired

    def _tell(self, pool: PoolState, row: Row) -> None:
        target = f"allocations/{pool.spec.id}/{row.subscriber}"
        self.ctx.watch("put", target, allocation_view(self.ctx, pool, row, warnings=(RETIRED,)))
        resource = pool.geometry.format(row.index)
        node_id = row.node_id or ""
        self.ctx.audit(
            "ALLOCATION_RETIRED", "nexus", "heal", target, resource=resource, node_id=node_id
        )
