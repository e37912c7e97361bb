"""A pool's horizon is made shorter while an edge that holds some of it is cut off (R5, R10).

What the edge was granted lasts as long as it was granted for: the pool is deleted and made again
with the shorter horizon, and the range cools until the old grants are over.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from simulator.faults.base import Aim, Fault
from simulator.faults.resize_pool import remake
from simulator.network import Worsening
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

HORIZON_MIN_S = 10


class ShortenHorizon(Fault, kw_only=True):
    """Half of what it was, for the rest of the run; the edge is back when it ends."""

    kind: str = "shorten_horizon"
    lasts_s: ClassVar[tuple[float, float]] = (10, 120)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        owners = layout.names("edge") or layout.names("core")
        return {
            "node": rng.choice([name for name in self.victims(layout) if name in owners] or owners),
            "by": rng.choice(layout.names("core")),
            "place": rng.random(),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        others = [name for name in world.network.names if name != aim["node"]]
        pairs = [(aim["node"], other) for other in others]
        pairs += [(other, aim["node"]) for other in others]
        cut = world.network.worsen(Worsening(cut=True), pairs)
        pools = [spec for spec in world.scenario.pools if not world.permanent_in(spec.id)]
        if pools:
            spec = pools[int(aim["place"] * len(pools))]
            cluster = world.scenario.cluster
            before = spec.horizon or int(cluster.edge_horizon_s)
            shorter = max(HORIZON_MIN_S, before // 2)
            remake(world, aim["by"], spec, msgspec.structs.replace(spec, horizon=shorter))
        return cut

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.network.better(state)
