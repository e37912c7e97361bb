"""An edge is frozen, a copy of its disk runs elsewhere, and later the frozen one goes on (R22).

Not drawn by swarms: a clone that comes back while the frozen one's hold still runs is outside of
the guarantee until a voter has told it (DESIGN.md, section 1).  Scenarios freeze it for longer.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.faults.second import one_left, second_machine
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

TOGETHER_NS = 15_000_000_000
"""For so long both run before the older one is switched off."""


class ClonedDisk(Fault, kw_only=True):
    """A virtual machine is restored on another host while the first one is only paused."""

    swarms: ClassVar[bool] = False
    kind: str = "cloned_disk"
    lasts_s: ClassVar[tuple[float, float]] = (100, 250)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        edges = layout.names("edge")
        return {
            "node": rng.choice([name for name in self.victims(layout) if name in edges] or [""])
        }

    def begin(self, world: World, aim: Aim) -> Any:
        name = aim["node"]
        beside = f"{name} frozen"
        frozen = world.machines.get(name)
        if frozen is None or frozen.process is None or beside in world.machines:
            return None
        frozen.pause()
        copy = second_machine(world, frozen, frozen.backup())
        world.machines[name], world.machines[beside] = copy, frozen
        copy.start()
        return beside, copy, frozen

    def end(self, world: World, aim: Aim, state: Any) -> None:
        if state is None:
            return
        beside, copy, frozen = state
        frozen.resume()

        def found(_: Any = None) -> None:
            one_left(world, aim["node"], beside, copy, frozen)

        if world.calm:
            found()
        else:
            world.env.call_later(TOGETHER_NS, found)
