"""Which shards this node should own (R1), and moving towards that without hurry.

Placement is a hint: it starts campaigns and, where it costs nobody anything, hands empty shards
over.  What the registers say is the fact.
"""

from __future__ import annotations

from nexus.core.book import PoolBook
from nexus.core.campaigns import Campaigns, Key
from nexus.core.context import Context
from nexus.core.members import Members
from nexus.core.owning import Owning
from nexus.model.time import NS_PER_S
from nexus.ownership import moves
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import Shard
from nexus.ring.assignment import Assignment, RoutingTable
from nexus.ring.hash_ring import RingMember, pool_key

CHECK_NS = 2 * NS_PER_S
"""A node that wants shards it has not got looks again after this."""
IDLE_CHECK_NS = 10 * NS_PER_S
"""The same for one that has what it wants: shards may have become empty."""


class Placement:
    """Proposed owners of all shards, and this node's steps towards them."""

    def __init__(
        self, ctx: Context, book: PoolBook, members: Members, campaigns: Campaigns, owning: Owning
    ) -> None:
        self.ctx = ctx
        self.book = book
        self.members = members
        self.campaigns = campaigns
        self.owning = owning
        self.tables: dict[int, Assignment] = {}
        self._versions: dict[int, int] = {}
        """pool_no -> version of the members that its table is of."""
        self.budgets: dict[int, tuple[int, float]] = {}
        """pool_no -> (monotonic instant, moves saved up by then)."""
        self.routing = RoutingTable()
        self._routing_version = -1

    def ring(self) -> list[RingMember]:
        """Members that may own, as the ring wants them."""
        return [RingMember(member.id, member.weight) for member in self.members.owners()]

    def table(self, pool: PoolState) -> Assignment:
        """Proposed owners of a pool's shards, brought up to date."""
        table = self.tables.get(pool.pool_no)
        if table is None:
            table = Assignment(
                pool_key(pool.spec.id, pool.generation), len(pool.shards), pool.spec.load_bound
            )
            self.tables[pool.pool_no] = table
            self._versions.pop(pool.pool_no, None)
        if self._versions.get(pool.pool_no) != self.members.version:
            table.update(self.ring())
            self._versions[pool.pool_no] = self.members.version
        return table

    def route(self, subscriber: str) -> str | None:
        """R20: the member that all requests for one subscriber go to, where it is reachable."""
        if self._routing_version != self.members.version:
            self.routing.update(self.ring())
            self._routing_version = self.members.version
        return self.routing.owner(subscriber)

    def look(self) -> None:
        """Campaign for what should be ours, hand over what is empty and should not be."""
        ctx = self.ctx
        for gone in [number for number in self.tables if number not in self.book.by_no]:
            del self.tables[gone]
        me = self.members.get(ctx.me)
        if me is None or self.owning.renewing.superseded or ctx.storage_failed is not None:
            return
        wanted: list[Key] = []
        for pool in self.book.by_id.values():
            table = self.table(pool)
            movable: list[tuple[Shard, str]] = []
            for shard in pool.shards:
                proposed = table.owner(shard.index)
                if proposed == ctx.me:
                    if shard.owner is None:
                        wanted.append(shard.key)
                elif proposed is not None and moves.r1_may_move(shard):
                    movable.append((shard, proposed))
            self._hand_over(pool, movable)
        if wanted:
            self.campaigns.start(wanted)
        if me.draining:
            self._drain_all()
        if not ctx.alone:
            soon = CHECK_NS if wanted or me.draining else IDLE_CHECK_NS
            ctx.timers.set_earlier("placement", ctx.now.mono_ns + soon)

    def _hand_over(self, pool: PoolState, movable: list[tuple[Shard, str]]) -> None:
        """Empty shards go to their proposed owners, as fast as the budget allows."""
        now = self.ctx.now.mono_ns
        ratio = self.ctx.config.move_budget_ratio
        count = len(pool.shards)
        since, saved = self.budgets.get(pool.pool_no, (now, 1.0))
        saved += moves.r1_moves_earned(now - since, count, ratio)
        saved = moves.r1_moves_kept(saved, count, ratio)
        if movable:
            owned: dict[str | None, int] = {}
            for shard in pool.shards:
                owned[shard.known_owner] = owned.get(shard.known_owner, 0) + 1
            for shard, to in movable:
                if not moves.r1_wants_headroom(owned.get(to, 0), pool.spec.headroom_shards):
                    if saved < 1:
                        continue
                    saved -= 1
                owned[to] = owned.get(to, 0) + 1
                self.owning.releasing.drain(shard)
        self.budgets[pool.pool_no] = (now, saved)

    def _drain_all(self) -> None:
        """An operator's drain: everything is sealed and released, sessions go along (R12)."""
        for shard in list(self.owning.owned.values()):
            self.owning.releasing.drain(shard)
