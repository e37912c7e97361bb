"""Invariant 8: an acknowledged allocation survives crashes and a minority of lost disks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.core.operations.release import Release
from nexus.model.time import NS_PER_S, NS_PER_US, Instant
from nexus.model.views import AllocationView
from nexus.ownership.shard import HELD
from simulator.checkers.base import Checker, unit_of

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

MARGIN_NS = 2 * NS_PER_S
REMAKING = ("recreate_pool", "resize_pool", "shorten_horizon")
"""Faults after which a pool is another one, and allocations of the old one are gone."""
Name = tuple[str, str]


class Durable(Checker):
    """Somebody was told an allocation that is nowhere any more."""

    name = "durable"
    invariant = 8

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._released: dict[Name, int] = {}
        self.live: dict[Name, tuple[AllocationView, int | None]] = {}
        """(pool, subscriber) -> what was told last, and the true instant of its end."""

    def asked(self, name: str, request: Any) -> None:
        if isinstance(request, Release):
            place = (request.pool_id or "", request.subscriber_id)
            self.live.pop(place, None)
            self._released[place] = self.world.env.now_ns

    def told(
        self, machine: Machine, request: Any, view: AllocationView, reading: Instant, asked_ns: int
    ) -> None:
        if self._released.get((view.pool_id, view.subscriber_id), -1) >= asked_ns:
            return  # it released after it had asked: this answer finds nobody
        end = None
        if view.ends_us is not None:
            end = self.world.env.now_ns + view.ends_us * NS_PER_US - reading.wall_ns
        self.live[view.pool_id, view.subscriber_id] = (view, end)

    def finish(self) -> None:
        world = self.world
        harsh = any(machine.wipes or machine.damaged for machine in world.machines.values())
        harsh = harsh or any(each.kind in REMAKING for each in world.injections)
        if harsh:
            return  # what un-replicated records may be lost then is invariant 3's and 1's business
        now = world.env.now_ns
        for (pool_id, subscriber), (view, end) in self.live.items():
            if end is not None and end < now + MARGIN_NS:
                continue
            problem = self._missing(pool_id, subscriber, view)
            if problem:
                self.violate(f"{subscriber} was told {view.resource} of {pool_id}, {problem}")
                return

    def _missing(self, pool_id: str, subscriber: str, view: AllocationView) -> str:
        for machine in self.world.machines.values():
            node = machine.process.node if machine.process is not None else None
            pool = node.book.by_id.get(pool_id) if node is not None else None
            if pool is None:
                continue
            index = unit_of(pool, view.resource)
            if index is None:
                continue
            shard = pool.shard_at(index)
            if shard.owner is None:
                continue
            row = shard.rows.get(index)
            if row is None:
                return f"its owner {machine.name} knows nothing of it"
            if row.length != HELD and row.subscriber == subscriber and _lost_the_time(machine):
                return ""
            if row.length != HELD or row.subscriber != subscriber:
                return f"its owner {machine.name} has {row}"
            return ""
        return ""


def _lost_the_time(machine: Machine) -> bool:
    """It went by an RTC of which nothing is stated: leases may end early there (R11).

    Reuse goes by the safe clock all the same.
    """
    return machine.boots > 1 and machine.config.clock_error_bound_ns is None
