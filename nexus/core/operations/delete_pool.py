"""Delete a pool: refused while allocations live, unless forced."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.decided import PoolGone
from nexus.errors import NexusError


class DeletePool(msgspec.Struct, frozen=True):
    """Answer: `Done`; pool_not_found, pool_in_use (unless ``force``)."""

    pool_id: str
    force: bool = False


def run(node: Services, request: DeletePool, call: Call) -> None:
    """Freeze the pool, look whether anything lives, then decide."""
    pool = node.book.require(request.pool_id)
    live = len(pool.subs) + sum(len(others) for others in pool.doubles.values())
    if live and not request.force:
        raise NexusError(
            "pool_in_use", f"pool {request.pool_id} has {live} live allocations", live=live
        )
    pool.frozen += 1

    def answer(outcome: object) -> None:
        pool.frozen -= 1
        node.answer(call, outcome)

    node.decide(PoolGone(request.pool_id, node.ctx.now.wall_us), call, answer)
