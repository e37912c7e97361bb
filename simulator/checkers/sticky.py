"""Invariant 9: a sticky subscriber gets the same address again while its claim stands.

And a backup is never the member that it stands in for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.model.time import Instant
from nexus.model.views import AllocationView
from nexus.ownership.shard import CLOSED, SERVING, STICKY, Row
from simulator.checkers.base import Checker, unit_of

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World


class Sticky(Checker):
    """A claim that stood and was passed over by the member that keeps it.

    Only the newest counts: a subscriber that got something else since has claimed that instead.
    """

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
        index = unit_of(pool, before)
        if index is None:
            return
        shard = pool.shard_at(index)
        row = shard.rows.get(index)
        if shard.owner is None or shard.owner.state != SERVING or row is None:
            return
        # A claim ends with its pool: a later one over the range knows only that the unit cools.
        claimed = row.length == CLOSED and row.kind == STICKY
        if claimed and row.subscriber == view.subscriber_id:
            newest = max(each.created_us for each in self._rows(view, but=view.resource))
            if row.created_us == newest:
                self.violate(
                    f"{view.subscriber_id} has a claim to {before} at {machine.name} and was "
                    f"given {view.resource} by it"
                )

    def _rows(self, view: AllocationView, but: str) -> list[Row]:
        """Every row of the subscriber anywhere but at one resource."""
        found: list[Row] = []
        for machine in self.world.machines.values():
            node = machine.process.node if machine.process is not None else None
            pool = node.book.by_id.get(view.pool_id) if node is not None else None
            if pool is not None:
                index = unit_of(pool, but)
                found += [
                    row
                    for row in pool.rows_after(-1)
                    if row.subscriber == view.subscriber_id and row.index != index
                ]
        return found
