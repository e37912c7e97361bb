"""Messages arrive twice, the second time possibly much later."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault
from simulator.faults.lossy import pairs_of
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Replay(Fault, kw_only=True):
    """Up to half of all messages are doubled."""

    kind: str = "replay"
    duplicate_max: float = 0.5
    late_s_max: float = 25

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": "",
            "duplicate": round(rng.random() * self.duplicate_max, 3),
            "late": round(rng.random() * 0.3, 3),
            "late_ms": int(rng.random() ** 3 * self.late_s_max * 1000),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        worsening = Worsening(
            duplicate=aim["duplicate"], late=aim["late"], late_ns_max=aim["late_ms"] * 1_000_000
        )
        return world.network.worsen(worsening, pairs_of(world, aim["node"]))

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.better(state)
