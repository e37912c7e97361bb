"""Messages wait somewhere for seconds and then arrive in one burst."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.faults.lossy import pairs_of
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Clog(Fault, kw_only=True):
    """Paths of one member, or single ones, are clogged."""

    kind: str = "clog"
    lasts_s: ClassVar[tuple[float, float]] = (0.5, 30)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": rng.choice(self.victims(layout)),
            "towards": rng.choice(("in", "out", "both")),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        node, towards = aim["node"], aim["towards"]
        pairs = [
            pair
            for pair in pairs_of(world, node) or ()
            if towards == "both" or (pair[1] == node) == (towards == "in")
        ]
        return world.network.worsen(Worsening(clogged=True), pairs)

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.better(state)
