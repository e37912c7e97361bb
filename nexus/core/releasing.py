"""Giving shards back: drain, seal, release (R12), and the end of a deleted pool's grants.

A seal is on disk before RELEASE leaves; from then on its epoch is never served again, after a
restart neither.  What cannot be replicated cannot be released: then the shard waits for H.
"""

from __future__ import annotations

from collections.abc import Callable

from nexus.core.book import PoolBook
from nexus.core.campaigns import Campaigns, Key
from nexus.core.context import Context
from nexus.core.messages import ReleaseShards, ShardsReleased
from nexus.core.telling import Telling
from nexus.ownership import configuration, holding, records, register
from nexus.ownership.shard import DRAINING, RENEWING, SEALED, SERVING, OwnerShard, Shard
from nexus.ownership.values import Seal


class Releasing:
    """Shards of this node on their way back."""

    def __init__(
        self,
        ctx: Context,
        book: PoolBook,
        telling: Telling,
        campaigns: Campaigns,
        owned: dict[Key, Shard],
        drop: Callable[[Shard, str], None],
    ) -> None:
        self.ctx = ctx
        self.book = book
        self.telling = telling
        self.campaigns = campaigns
        self.owned = owned
        self.drop = drop
        self.mark_dirty: Callable[[Shard], None] = lambda shard: None
        """Set by the node: everything that voters lack goes to them soon."""
        self.acks: dict[Key, dict[str, None]] = {}

    def drain(self, shard: Shard) -> None:
        """Stop allocating from a shard, replicate it, seal it, give it back."""
        owner = shard.owner
        if owner is None or owner.state not in (SERVING, RENEWING):
            return
        if not holding.r12_may_drain(owner, self.ctx.clocks.slow):
            return
        owner.state = DRAINING
        pool = self.book.by_no[shard.pool_no]
        pool.set_available(shard, available=False)
        self.mark_dirty(shard)
        self.try_seal(shard, owner)

    def try_seal(self, shard: Shard, owner: OwnerShard) -> None:
        """Seal once everything is replicated; from then on this epoch is never served again."""
        if owner.state != DRAINING or not holding.r12_may_release(owner):
            return
        if holding.r5_holds(owner, self.ctx.clocks.fast):
            self._seal(shard, owner)

    def end_deleted(self, shard: Shard) -> None:
        """The pool is deleted: nobody has to wait for a grant whose records are all replicated."""
        owner = shard.owner
        if owner is None or owner.state not in (SERVING, DRAINING):
            return
        if holding.r12_may_release(owner) and not self.ctx.replaying:
            self._seal(shard, owner)

    def _seal(self, shard: Shard, owner: OwnerShard) -> None:
        owner.seal = Seal(owner.grant.epoch, owner.seq, records.r12_digest(shard))
        owner.state = SEALED
        owner.hold_until = 0
        self.telling.drop_shard(shard)
        self.r12_persist_seal(shard, owner)
        self._send(shard)

    def r12_persist_seal(self, shard: Shard, owner: OwnerShard) -> None:
        """The seal is on disk before RELEASE is sent: a restart must not serve it again."""
        self.campaigns.persist_owner(shard, owner)

    def _send(self, shard: Shard) -> None:
        owner = shard.owner
        assert owner is not None
        assert owner.seal is not None
        self.acks.setdefault(shard.key, {})
        message = ReleaseShards(self.ctx.configuration.number, ((shard.key, owner.seal),))
        for voter in self.ctx.configuration.voters:
            self.ctx.send(voter, message)
        self.ctx.timers.set_earlier("release", self.ctx.now.mono_ns + self.ctx.config.retry_ns)

    def on_released(self, sender: str, message: ShardsReleased) -> None:
        """A voter holds the seal; a quorum of them ends our part."""
        if message.config_no != self.ctx.configuration.number:
            return
        for key, epoch in message.shards:
            shard = self.book.shard(key)
            owner = shard.owner if shard is not None else None
            if (
                shard is None
                or owner is None
                or owner.state != SEALED
                or owner.grant.epoch != epoch
            ):
                continue
            acks = self.acks.setdefault(key, {})
            register.r2_count(acks, sender, None, self.ctx.configuration.voters)
            if configuration.r12_released(self.ctx.configuration, acks):
                del self.acks[key]
                self.drop(shard, "released")

    def tick(self) -> None:
        """Send releases again that no quorum has acknowledged."""
        for shard in list(self.owned.values()):
            if shard.owner is not None and shard.owner.state == SEALED:
                self._send(shard)

    def reset(self) -> None:
        """The voters changed: their predecessors' answers do not count (R21)."""
        self.acks.clear()
        self.ctx.timers.set_earlier("release", self.ctx.now.mono_ns)
