"""An operator fences an edge that lost power for good: its grants count no more (R15 ii)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from nexus.core.operations.nodes import FenceNode
from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Fence(Fault, kw_only=True):
    """The edge is switched off first: what it told is used no more, which is the evidence."""

    kind: str = "fence"

    def aim(self, layout: Layout, rng: Random) -> Aim:
        edges = layout.names("edge")
        node = rng.choice([name for name in self.victims(layout) if name in edges] or [""])
        return {"node": node, "by": rng.choice(layout.names("core"))}

    def begin(self, world: World, aim: Aim) -> Any:
        if not aim["node"]:
            return
        world.machines[aim["node"]].lose("fenced")
        world.oracle.stop_all(aim["node"])
        request = FenceNode(aim["node"], "the simulator switched it off")
        world.call(aim["by"], request, lambda answer: None)
