"""Subscribers of a live cluster, with the leases that they had when it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from nexus.model.time import seconds_to_ns
from simulator.workloads.base import Agent, Workload

if TYPE_CHECKING:
    from simulator.world import World

ASKS_WITHIN_S = 10.0
FOREVER_NS = 1 << 62


class CarriedOver(Workload, kw_only=True):
    """Everybody is online already, and tells so by a renewal within ten seconds."""

    swarms: ClassVar[bool] = False

    def start(self, world: World) -> None:
        """Go on with every lease of the pool."""
        carried = world.scenario.carried
        for lease in carried.leases if carried is not None else ():
            if lease.pool != self.pool:
                continue
            rng = world.rng("workload", self.kind, self.pool, lease.subscriber)
            agent = Agent(world, self, lease.subscriber, [lease.site], rng)
            agent.alloc_type = "permanent" if lease.left_s is None else None
            agent.online = True
            agent.stint = 1
            left_ns = FOREVER_NS if lease.left_s is None else seconds_to_ns(lease.left_s)
            agent.until_ns = left_ns
            delay_s = (
                ASKS_WITHIN_S if lease.left_s is None else min(ASKS_WITHIN_S, lease.left_s / 2)
            )
            world.env.call_later(
                max(1, seconds_to_ns(rng.random() * delay_s)), agent._renew, agent.stint
            )
