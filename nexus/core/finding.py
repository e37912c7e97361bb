"""Find the node that may answer: this one, another member, or nobody yet (R20)."""

from __future__ import annotations

from nexus.core.calls import Call, Services
from nexus.errors import NexusError
from nexus.ownership import holding
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import PERMANENT, Row, Shard

HOPS_MAX = 3
"""Members that one call visits at most."""

TYPE_ORDER = ("ipv4", "ipv6")


def refuse_writes(node: Services) -> None:
    """After the disk failed nothing is written any more, and that is said at once."""
    if node.ctx.storage_failed is not None:
        raise NexusError("storage_failed", f"the disk refuses writes: {node.ctx.storage_failed}")


def routed_away(node: Services, pool: PoolState, subscriber: str, call: Call) -> bool:
    """R20: a new allocation is made by the member that the ring names for the subscriber."""
    if call.visited:
        return False
    target = node.placement.route(subscriber)
    if target is None or target == node.ctx.me or not node.reachable(target):
        return False
    node.forward(target, call)
    return True


def owner_of_row(node: Services, pool: PoolState, row: Row, call: Call) -> bool:
    """This node may change the row; else the call waits or went to who can."""
    return local_shard(node, pool, row.index, call, changing=True) is not None


def local_shard(
    node: Services, pool: PoolState, index: int, call: Call, *, changing: bool = False
) -> Shard | None:
    """The shard of a unit if this node may act on it now; else the call waits or goes on."""
    shard = pool.shard_at(index)
    owner = shard.owner
    if owner is None:
        target = shard.known_owner
        if target is None or target == node.ctx.me:
            node.wait_for_grant(call)
        elif len(call.visited) >= HOPS_MAX or not node.reachable(target):
            raise NexusError(
                "owner_unreachable", f"member {target} cannot be reached", retry_after_s=5
            )
        else:
            call.unit = (pool.pool_no, index)
            node.forward(target, call)
        return None
    clocks = node.ctx.clocks
    if changing:
        ok = holding.r7_may_change(owner, clocks.fast)
    else:
        ok = holding.r7_may_allocate(owner, clocks.fast, clocks.slow)
    if ok:
        return shard
    node.wait_for_grant(call)
    return None


def find_row(node: Services, subscriber: str, pool_id: str | None) -> tuple[PoolState, Row]:
    """A subscriber's allocation: in one pool, or the newest IPv4, else IPv6, else any.

    Raises
    ------
    NexusError : pool_not_found, allocation_not_found.
    """
    told = node.ctx.clocks.told
    if pool_id is not None:
        pool = node.book.by_id.get(pool_id) or node.book.require(pool_id)
        row = pool.subs.get(subscriber)
        if row is not None and ((ends := row.ends) == 0 or ends > told):
            return pool, row
        raise NexusError("allocation_not_found", f"allocation not found: {subscriber}")
    best: tuple[tuple[int, int, int], PoolState, Row] | None = None
    for pool in node.book.by_id.values():
        row = pool.subs.get(subscriber)
        if row is None or (row.ends and row.ends <= told):
            continue
        kind = pool.spec.type
        order = TYPE_ORDER.index(kind) if kind in TYPE_ORDER else len(TYPE_ORDER)
        rank = (-order, row.created_us, pool.pool_no)
        if best is None or rank > best[0]:
            best = (rank, pool, row)
    if best is None:
        raise NexusError("allocation_not_found", f"allocation not found: {subscriber}")
    return best[1], best[2]


def is_permanent(row: Row) -> bool:
    """The row has no end."""
    return row.kind == PERMANENT
