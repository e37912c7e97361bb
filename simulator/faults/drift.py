"""An oscillator changes its pace, to the edge of the bound (or, where told, beyond it)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Drift(Fault, kw_only=True):
    """Within the bound unless ``times`` says otherwise."""

    kind: str = "drift"
    lasts_s: ClassVar[tuple[float, float]] = (10, 600)
    times: float = 1.0
    """Of the cluster's drift bound; above 1 the guarantee does not hold."""

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": rng.choice(self.victims(layout)),
            "share": rng.choice((-1.0, 1.0)) * self.times,
        }

    def begin(self, world: World, aim: Aim) -> Any:
        machine = world.machines[aim["node"]]
        before = machine.clock.rate_ppb
        machine.set_rate(int(world.scenario.cluster.drift_ppm * 1_000 * aim["share"]))
        return before

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.machines[aim["node"]].set_rate(state)
