"""Paths become slow, with a long tail, so that messages overtake each other."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault
from simulator.faults.lossy import pairs_of
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class SlowNet(Fault, kw_only=True):
    """Delays of 30 to 100 ms in the mean and tails of up to many seconds."""

    kind: str = "slow_net"
    tail_s_max: float = 25

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": rng.choice(self.victims(layout)) if rng.random() < 0.5 else "",
            "slow_ms": rng.randint(30, 100),
            "late": round(rng.random(), 3),
            "late_ms": int(rng.random() ** 4 * self.tail_s_max * 1000) + 200,
        }

    def begin(self, world: World, aim: Aim) -> Any:
        worsening = Worsening(
            slow_ns=aim["slow_ms"] * 1_000_000,
            late=aim["late"],
            late_ns_max=aim["late_ms"] * 1_000_000,
        )
        return world.network.worsen(worsening, pairs_of(world, aim["node"]))

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.better(state)
