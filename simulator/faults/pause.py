"""A process stands still for a while, between any two of its steps, and then goes on."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Pause(Fault, kw_only=True):
    """1 to 70 s; the clocks run on."""

    kind: str = "pause"
    lasts_s: ClassVar[tuple[float, float]] = (1, 70)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {"node": rng.choice(self.victims(layout)), "after_effects": rng.randint(0, 6)}

    def begin(self, world: World, aim: Aim) -> Any:
        world.machines[aim["node"]].pause(after_effects=aim["after_effects"])

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.machines[aim["node"]].resume()
