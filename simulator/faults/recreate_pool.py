"""An operator deletes a pool with live leases and makes it again over the same range (R10)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class RecreatePool(Fault, kw_only=True):
    """Forced; what was told of the old pool goes on being used until it ends."""

    kind: str = "recreate_pool"
    lasts_s: ClassVar[tuple[float, float]] = (0.5, 30)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {"by": rng.choice(layout.names("core")), "place": rng.random()}

    def begin(self, world: World, aim: Aim) -> Any:
        pools = [spec for spec in world.scenario.pools if not world.permanent_in(spec.id)]
        if not pools:
            return None
        spec = pools[int(aim["place"] * len(pools))]
        world.call(aim["by"], DeletePool(spec.id, force=True), lambda answer: None)
        return spec

    def end(self, world: World, aim: Aim, state: Any) -> None:
        if state is not None:
            world.call(aim["by"], CreatePool(state), lambda answer: None)
            world.env.call_later(5_000_000_000, world.make_pool, state)
