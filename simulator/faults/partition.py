"""Partitions: halves, one alone, random sides, one direction only, overlapping majorities."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from simulator.faults.base import Aim, Fault
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

SHAPES = ("halves", "alone", "random", "asymmetric", "ring")
Pairs = list[tuple[str, str]]


class Partition(Fault, kw_only=True):
    """Nothing passes between the sides."""

    kind: str = "partition"
    shape: str = ""
    """One of `SHAPES`; empty: drawn."""
    between: tuple[str, ...] = ()
    """The other side, by name or role; empty: everybody else."""

    def aim(self, layout: Layout, rng: Random) -> Aim:
        names = layout.names()
        shape = self.shape or rng.choice(SHAPES)
        if self.on:
            side = self.victims(layout)
        elif shape in ("alone", "asymmetric"):
            side = [rng.choice(names)]
        elif shape == "halves":
            side = rng.sample(names, len(names) // 2)
        else:
            side = rng.sample(names, rng.randrange(len(names) + 1))
        aim: Aim = {"shape": shape, "side": sorted(side)}
        if self.between:
            members = layout.members
            aim["other"] = [m.name for m in members if {m.name, m.role} & {*self.between}]
        return aim

    def begin(self, world: World, aim: Aim) -> Any:
        return world.network.worsen(Worsening(cut=True), _pairs(world.network.names, aim))

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.better(state)


def _pairs(names: list[str], aim: Aim) -> Pairs:
    side = dict.fromkeys(aim["side"])
    if aim["shape"] == "ring":
        # Everybody keeps a majority of neighbours on a circle, and no two keep the same one.
        reach = len(names) // 4
        count = len(names)
        return [
            (one, other)
            for at, one in enumerate(names)
            for to, other in enumerate(names)
            if min((at - to) % count, (to - at) % count) > reach
        ]
    far = aim.get("other", [name for name in names if name not in side])
    out = [(one, other) for one in names for other in far if one in side and other not in side]
    if aim["shape"] == "asymmetric":
        return out
    return out + [(other, one) for one, other in out]
