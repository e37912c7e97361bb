"""A physical link fails: traffic takes another way, or what is behind it is an island."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Link(Fault, kw_only=True):
    """One link of the graph."""

    kind: str = "link"
    lasts_s: ClassVar[tuple[float, float]] = (5, 300)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        links = sorted(tuple(sorted(edge)) for edge in layout.graph.edges)
        if self.on:
            # Both ends named: that link; one end named: any link of it.
            exact = [link for link in links if set(link) == set(self.on)]
            links = exact or [link for link in links if set(link) & set(self.on)] or links
        one, other = rng.choice(links)
        return {"one": one, "other": other}

    def begin(self, world: World, aim: Aim) -> Any:
        return world.network.fail_link(aim["one"], aim["other"])

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.mend_link(aim["one"], aim["other"], state)
