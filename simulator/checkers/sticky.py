"""Invariant 9: a sticky subscriber gets the same address again while its claim stands.

And a backup is never the member that it stands in for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.model.time import Instant
from nexus.model.views import AllocationView
from nexus.ownership.shard import CLOSED, FLAG_CLAIM, SERVING
from simulator.checkers.base import Checker

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World


class Sticky(Checker):
    """A claim that stood and was passed over."""

    name = "sticky"
    invariant = 9

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.had: dict[tuple[str, str], str] = {}

    def told(
        self, machine: Machine, request: Any, view: AllocationView, reading: Instant, asked_ns: int
    ) -> None:
        if view.backup_node_id is not None and view.backup_node_id == view.node_id:
            self.violate(f"{view.subscriber_id}: {view.node_id} is its own backup")
        if view.alloc_type != "sticky":
            return
        name = (view.pool_id, view.subscriber_id)
        before = self.had.get(name)
        self.had[name] = view.resource
        if view.created and before is not None and before != view.resource:
            self._passed_over(view, before)

    def _passed_over(self, view: AllocationView, before: str) -> None:
        found = self.owner_of(view)
        if found is None:
            return
        machine, _shard, _row = found
        assert machine.process is not None
        pool = machine.process.node.book.by_id[view.pool_id]
        index = pool.geometry.parse(before)
        shard = pool.shard_at(index)
        row = shard.rows.get(index)
        if shard.owner is None or shard.owner.state != SERVING or row is None:
            return
        if row.length == CLOSED and row.subscriber == view.subscriber_id and row.flags & FLAG_CLAIM:
            self.violate(
                f"{view.subscriber_id} has a claim to {before} at {machine.name} and was given "
                f"{view.resource} by it"
            )
