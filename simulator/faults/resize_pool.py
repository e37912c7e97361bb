"""A pool is made smaller, and later as large as before (R10).

The bounds of a pool are fixed for its generation, so an operator deletes it, with live leases,
and makes it again over half of its range in other shards.
"""

from __future__ import annotations

import ipaddress
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_S
from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

PREFIX_MAX = 29


class ResizePool(Fault, kw_only=True):
    """The lower half of the range while it lasts."""

    kind: str = "resize_pool"
    lasts_s: ClassVar[tuple[float, float]] = (5, 120)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {"by": rng.choice(layout.names("core")), "place": rng.random()}

    def begin(self, world: World, aim: Aim) -> Any:
        pools = [
            spec
            for spec in world.scenario.pools
            if halved(spec) is not None and not world.permanent_in(spec.id)
        ]
        if not pools:
            return None
        spec = pools[int(aim["place"] * len(pools))]
        remake(world, aim["by"], spec, halved(spec))
        return spec

    def end(self, world: World, aim: Aim, state: Any) -> None:
        if state is not None:
            remake(world, aim["by"], state, state)


def halved(spec: PoolSpec) -> PoolSpec | None:
    """The pool over the lower half of its range; None if it cannot be halved."""
    if spec.type != "ipv4" or spec.cidr is None or spec.gateway or spec.exclusions:
        return None
    network = ipaddress.IPv4Network(spec.cidr)
    if network.prefixlen >= PREFIX_MAX:
        return None
    lower = next(network.subnets(1))
    shards = max(1, spec.sharding_factor // 2)
    return msgspec.structs.replace(spec, cidr=str(lower), sharding_factor=shards)


def remake(world: World, by: str, old: PoolSpec, new: Any) -> None:
    """Delete a pool whatever is in it, and make it as wanted, until it is there."""
    world.call(by, DeletePool(old.id, force=True), lambda answer: None)
    world.env.call_later(NS_PER_S, lambda _: world.call(by, CreatePool(new), _heard), None)
    world.env.call_later(5 * NS_PER_S, world.make_pool, new)


def _heard(answer: Any) -> None:
    """`make_pool` sees to it that there is a pool."""
