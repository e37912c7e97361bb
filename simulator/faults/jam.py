"""Paths carry only a few messages at a time; what does not fit is lost."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault
from simulator.faults.lossy import pairs_of
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Jam(Fault, kw_only=True):
    """Capacity of 2 to 20 messages under way, on slow paths."""

    kind: str = "jam"

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": rng.choice(self.victims(layout)) if rng.random() < 0.5 else "",
            "capacity": rng.randint(2, 20),
            "slow_ms": rng.randint(5, 500),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        worsening = Worsening(capacity=aim["capacity"], slow_ns=aim["slow_ms"] * 1_000_000)
        return world.network.worsen(worsening, pairs_of(world, aim["node"]))

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.better(state)
