"""The invariants of one node, checked on its own state (DESIGN.md, invariants 2 to 5, 9).

Those that need true time or several nodes are the simulator's.  Returns the story of the first
that is broken, None if all hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import CLOSED, FLAG_FREE, HELD, SERVING, Shard

if TYPE_CHECKING:
    from nexus.core.node import NexusNode


def check_node(node: NexusNode) -> str | None:
    """All pools and shards of a node."""
    for pool in node.book.by_no.values():
        problem = check_pool(pool)
        if problem is not None:
            return problem
        for shard in pool.shards:
            problem = check_shard(pool, shard)
            if problem is not None:
                return f"pool {pool.spec.id} shard {shard.index}: {problem}"
    return None if node.ctx.alone else node.spread.digests.problem()


def check_pool(pool: PoolState) -> str | None:
    """Indexes over rows agree with the rows."""
    open_rows = sum(shard.held for shard in pool.shards)
    known = len(pool.subs) + sum(len(others) for others in pool.doubles.values())
    if open_rows != known:
        return f"I5 pool {pool.spec.id}: {open_rows} open rows, {known} known by subscriber"
    for subscriber, row in pool.subs.items():
        if row.subscriber != subscriber or row.length != HELD:
            return f"I9 pool {pool.spec.id}: {subscriber} is filed under another row"
        if pool.row_at(row.index) is not row:
            return f"I1 pool {pool.spec.id}: unit {row.index} has another row than its subscriber"
    return None


def check_shard(pool: PoolState, shard: Shard) -> str | None:
    """Counters, free maps and the owner's seqs."""
    held = cooling = claims = 0
    reserved = pool.geometry.reserved
    for row in shard.rows:
        if not shard.start <= row.index < shard.stop:
            return f"I4 unit {row.index} is not of this shard"
        if row.length == HELD:
            held += 1
            if row.index in reserved:
                return f"I4 unit {row.index} is reserved and held by {row.subscriber}"
        elif row.length == CLOSED and not row.flags & FLAG_FREE:
            cooling += 1
        else:
            claims += 1
    if (held, cooling) != (shard.held, shard.cooling):
        return f"I5 counted {held}, {cooling}; kept {shard.held}, {shard.cooling}"
    if min(pool.counts(shard, served=True)) < 0:
        return f"I5 more units in use than there are: {pool.counts(shard, served=True)}"
    owner = shard.owner
    if owner is None or owner.state != SERVING or shard.free is None or shard.claimed is None:
        return None
    free = shard.size - held - cooling - shard.reserved
    if shard.free.free_count + shard.claimed.free_count != free or (
        shard.claimed.free_count != claims
    ):
        return (
            f"I5 free maps have {shard.free.free_count} + {shard.claimed.free_count}, "
            f"the rows leave {free}, {claims} of them claimed"
        )
    if owner.commit_seq > owner.seq or owner.durable_seq > owner.seq:
        return f"I3 seq {owner.seq} is behind commit {owner.commit_seq}"
    return None
