"""A new device with an empty disk comes up under an edge's name while the old one still runs."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.faults.second import one_left, second_machine
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class ReusedName(Fault, kw_only=True):
    """Two edges with one serial: both are heard, callers reach one of them."""

    kind: str = "reused_name"
    lasts_s: ClassVar[tuple[float, float]] = (1, 120)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        edges = layout.names("edge")
        node = rng.choice([name for name in self.victims(layout) if name in edges] or [""])
        return {"node": node, "callers_at": rng.choice(("old", "new"))}

    def begin(self, world: World, aim: Aim) -> Any:
        name = aim["node"]
        beside = f"{name} doubled"
        old = world.machines.get(name)
        if old is None or old.damaged is not None or beside in world.machines:
            return None
        new = second_machine(world, old, None)
        world.machines[name] = new if aim["callers_at"] == "new" else old
        world.machines[beside] = old if aim["callers_at"] == "new" else new
        new.start()
        return beside, new, old

    def end(self, world: World, aim: Aim, state: Any) -> None:
        if state is not None:
            beside, new, old = state
            one_left(world, aim["node"], beside, new, old)
            new.start()
