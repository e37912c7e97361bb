"""A disk takes its time for every commit."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class SlowDisk(Fault, kw_only=True):
    """From 20 ms to many seconds a commit."""

    kind: str = "slow_disk"

    def aim(self, layout: Layout, rng: Random) -> Aim:
        slower_ms = int(20 * 10 ** (rng.random() * 2.7))
        return {"node": rng.choice(self.victims(layout)), "slower_ms": slower_ms}

    def begin(self, world: World, aim: Aim) -> Any:
        world.machines[aim["node"]].pace.slower_ns += aim["slower_ms"] * 1_000_000

    def end(self, world: World, aim: Aim, state: Any) -> None:
        pace = world.machines[aim["node"]].pace
        pace.slower_ns = max(0, pace.slower_ns - aim["slower_ms"] * 1_000_000)
