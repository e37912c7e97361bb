"""An operator fences an edge that lost power: its grants count no more (R15 ii)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from nexus.core.operations.nodes import FenceNode
from nexus.model.views import NodeView
from simulator.calls import Answer
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
        outcome: dict[str, bool] = {}
        if not aim["node"]:
            return outcome
        world.machines[aim["node"]].lose("fenced")
        world.oracle.stop_all(aim["node"])
        request = FenceNode(aim["node"], "the simulator switched it off")

        def answered(answer: Answer) -> None:
            outcome["decided"] = isinstance(answer.result, NodeView)

        world.call(aim["by"], request, answered)
        return outcome

    def end(self, world: World, aim: Aim, state: Any) -> None:
        # Who was told that the fence stands may switch it on again: it has to register anew.
        if state.get("decided"):
            machine = world.machines[aim["node"]]
            machine.damaged = None
            machine.start()
