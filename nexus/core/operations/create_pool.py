"""Create a pool: a decision of the majority, so that one id never means two ranges."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.decided import PoolMade
from nexus.model.pool import PoolSpec


class CreatePool(msgspec.Struct, frozen=True):
    """Answer: `PoolView`; pool_exists, pool_overlaps, validation_failed."""

    spec: PoolSpec


def run(node: Services, request: CreatePool, call: Call) -> None:
    """Decide it; the identical definition is found again (200)."""
    node.decide(PoolMade(request.spec, node.ctx.now.wall_us), call)
