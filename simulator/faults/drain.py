"""An operator drains a member: its shards are sealed and go to others, sessions go along (R12)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from nexus.core.operations.nodes import DrainNode
from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Drain(Fault, kw_only=True):
    """Decided at another member than the one that is drained."""

    kind: str = "drain"

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {"node": rng.choice(self.victims(layout)), "by": rng.choice(layout.names("core"))}

    def begin(self, world: World, aim: Aim) -> Any:
        if world.drains_count + 1 >= len(world.machines):
            return
        world.drains_count += 1
        world.call(aim["by"], DrainNode(aim["node"]), lambda answer: None)
