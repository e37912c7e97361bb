"""A part of all messages is lost, on every path or on those of one member."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Lossy(Fault, kw_only=True):
    """Up to 30 % loss."""

    kind: str = "lossy"
    loss_max: float = 0.3

    def aim(self, layout: Layout, rng: Random) -> Aim:
        node = rng.choice(self.victims(layout)) if self.on or rng.random() < 0.5 else ""
        return {"node": node, "loss": round(rng.random() * self.loss_max, 3)}

    def begin(self, world: World, aim: Aim) -> Any:
        return world.network.worsen(Worsening(loss=aim["loss"]), pairs_of(world, aim["node"]))

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.better(state)


def pairs_of(world: World, node: str) -> list[tuple[str, str]] | None:
    """Paths to and from one member; None (all paths) for nobody in particular."""
    if not node:
        return None
    others = [name for name in world.network.names if name != node]
    return [(node, name) for name in others] + [(name, node) for name in others]
