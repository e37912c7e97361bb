"""The owner's work on leases: allocate, repeat, renew, release, expire (R7-R11).

Everything here happens at the node that holds the shard; finding that node is the operations'
work.  Each change of a row is one record with the next seq, persisted before anything is said.
"""

from __future__ import annotations

from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.history import History
from nexus.core.telling import RELEASE, Pending, Telling, announce_end
from nexus.core.timers import NEVER
from nexus.model.time import NS_PER_S
from nexus.ownership import holding, records, register
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import (
    FLAG_REDATE,
    HELD,
    SHARED_INTS,
    SHARED_MAX,
    OwnerShard,
    Row,
    Shard,
    shared_ttl,
)

EXPIRE_MAX = 2_000
"""Rows that one event closes at most, so that a mass expiry does not stop the loop."""
TAIL_SLACK = 1_024
RECHECK_NS = 10 * NS_PER_S
"""How long a unit goes on cooling at least when its closing is not known to be replicated."""


class Leasing:
    """Rows of the shards that this node serves."""

    def __init__(self, ctx: Context, book: PoolBook, telling: Telling, history: History) -> None:
        self.ctx = ctx
        self.book = book
        self.telling = telling
        self.history = history
        self.next_due_ns = NEVER
        """Monotonic instant at which a row ends or has cooled (may be early, never late)."""
        self.dirty: dict[tuple[int, int], Shard] = {}
        """Shards with records that others may lack."""
        telling.undo = self.undo

    # --- records -----------------------------------------------------------------------------

    def _record(self, pool: PoolState, shard: Shard, owner: OwnerShard, row: Row) -> None:
        """The row's new state is the next record of the epoch."""
        self.ctx.persist_row(pool.pool_no, row)
        if not self.ctx.alone:
            self._lacking(shard, owner, row)

    def _lacking(self, shard: Shard, owner: OwnerShard, row: Row) -> None:
        """Others lack this record."""
        owner.tail[row.seq] = row.index
        if len(owner.tail) > TAIL_SLACK + 2 * (shard.held + shard.cooling):
            owner.tail.clear()
            owner.sent_floor = owner.seq
        self.mark_dirty(shard)

    def mark_dirty(self, shard: Shard) -> None:
        """Others have to hear of this shard soon."""
        self.dirty[shard.key] = shard
        self.ctx.touch(shard)
        self.ctx.timers.set_earlier(
            "round", self.ctx.now.mono_ns + self.ctx.config.round_interval_ns
        )

    def note_durable(self, shard: Shard, owner: OwnerShard, seq: int) -> None:
        """Advance what is on our own disk once it is."""
        self.ctx.when_durable(self._on_durable, (shard, owner, seq))

    def _on_durable(self, argument: tuple[Shard, OwnerShard, int]) -> None:
        shard, owner, seq = argument
        if shard.owner is not owner:
            return
        owner.durable_seq = max(owner.durable_seq, seq)
        if (
            self.ctx.lone
            and owner.durable_seq > owner.commit_seq
            # The only voter may have granted the shard to somebody else meanwhile (R8 a).
            and register.r8a_may_hold(shard.voter, owner.grant.epoch)
        ):
            owner.commit_seq = shard.voter.acked_seq = owner.durable_seq

    # --- verbs -------------------------------------------------------------------------------

    def open(
        self,
        pool: PoolState,
        shard: Shard,
        index: int,
        subscriber: str,
        kind: int,
        ttl_s: int,
        node_id: str | None,
        backup_node_id: str | None,
        cause_id: str,
    ) -> Row:
        """Give a unit to a subscriber; the caller has checked that it may be given."""
        ctx = self.ctx
        clocks = ctx.clocks
        owner = shard.owner
        assert owner is not None
        if subscriber in pool.claims:
            for claim in pool.claims_of(subscriber):
                self._drop_claim(pool, claim, index)
        owner.seq = seq = owner.seq + 1
        epoch = owner.grant.epoch.counter
        if ttl_s:
            duration = ttl_s * NS_PER_S
            blocked = clocks.slow + duration
            told = clocks.told
            ends = blocked if told == clocks.slow else told + duration
            due = clocks.now.mono_ns + duration
            if due < self.next_due_ns:
                self.next_due_ns = due
        else:
            ends = blocked = 0
        wall_us = clocks.wall_us
        if wall_us != ctx.hybrid.last:
            wall_us = ctx.hybrid.tick(wall_us)
        row = Row(
            index,
            subscriber,
            epoch,
            SHARED_INTS[seq] if seq < SHARED_MAX else seq,
            HELD,
            kind,
            shared_ttl(ttl_s),
            ends,
            blocked,
            wall_us,
            0,
            node_id,
            backup_node_id,
        )
        pool.open(shard, row)
        ctx.persist_row(pool.pool_no, row)
        if not ctx.alone:
            self._lacking(shard, owner, row)
        self.history.opened(pool.pool_no, index, subscriber, wall_us, epoch, cause_id)
        return row

    def extend(self, pool: PoolState, shard: Shard, row: Row, ttl_s: int) -> None:
        """A new end for an open row: now + ttl; what was told before stays blocked (R10)."""
        clocks = self.ctx.clocks
        owner = shard.owner
        assert owner is not None
        duration = ttl_s * NS_PER_S
        blocked = clocks.slow + duration
        ends = blocked if clocks.told == clocks.slow else clocks.told + duration
        owner.seq += 1
        row.epoch = owner.grant.epoch.counter
        row.ttl_s = shared_ttl(ttl_s)
        row.renewed_us = clocks.wall_us
        shorter = ends < row.ends
        pool.change(shard, row, owner.seq, ends, blocked)
        if shorter:
            self.next_due_ns = min(self.next_due_ns, clocks.now.mono_ns + duration)
        self._record(pool, shard, owner, row)

    def redate(self, pool: PoolState, shard: Shard, row: Row) -> None:
        """A lease told before a reboot is dated anew before it is told again (R8 b)."""
        clocks = self.ctx.clocks
        owner = shard.owner
        assert owner is not None
        row.flags &= ~FLAG_REDATE
        owner.seq += 1
        row.epoch = owner.grant.epoch.counter
        blocked = clocks.slow + max(0, row.ends - clocks.told)
        pool.change(shard, row, owner.seq, row.ends, blocked)
        self._record(pool, shard, owner, row)

    def relabel(self, pool: PoolState, shard: Shard, row: Row, backup_node_id: str) -> None:
        """A new record of an open row that differs in its backup label only."""
        owner = shard.owner
        assert owner is not None
        owner.seq += 1
        pool.change(shard, row, owner.seq, row.ends, row.blocked)
        row.backup_node_id = backup_node_id
        self._record(pool, shard, owner, row)

    def close(
        self, pool: PoolState, shard: Shard, row: Row, reason: str, cause_id: str, *, quick: bool
    ) -> None:
        """End an open row.  ``quick``: by its holder or never told: the cooldown alone blocks."""
        ctx = self.ctx
        clocks = ctx.clocks
        owner = shard.owner
        assert owner is not None
        if quick:
            reuse_at = records.r10_reuse_after_release(row, clocks.slow, pool.cooldown_ns)
        else:
            reuse_at = records.r10_reuse_at(
                row, clocks.slow, ctx.config.drift_ppm, ctx.config.ack_limit_ns, pool.cooldown_ns
            )
        owner.seq = seq = owner.seq + 1
        pool.close(shard, row, owner.grant.epoch.counter, seq, reuse_at)
        ctx.persist_row(pool.pool_no, row)
        if not ctx.alone:
            self._lacking(shard, owner, row)
        due = clocks.now.mono_ns + reuse_at - clocks.slow
        if due < self.next_due_ns:
            self.next_due_ns = due
        self.history.closed(
            pool.pool_no, row.index, row.subscriber, clocks.wall_us, reason, cause_id
        )

    def undo(self, pending: Pending) -> None:
        """No quorum confirmed a new record: close it again, nobody was told of it."""
        owner = pending.shard.owner
        row = pending.row
        if (
            owner is not None
            and row.length == HELD
            and row.seq == pending.seq
            and row.epoch == pending.epoch
            and holding.r7_may_change(owner, self.ctx.clocks.fast)
        ):
            self.close(
                pending.pool, pending.shard, row, "unconfirmed", pending.cause_id, quick=True
            )

    def _drop_claim(self, pool: PoolState, claim: Row, index: int) -> None:
        """A subscriber has one claim: the older one goes when it gets another resource."""
        if claim.index == index:
            return
        shard = pool.shard_at(claim.index)
        owner = shard.owner
        if owner is None or not holding.r7_may_change(owner, self.ctx.clocks.fast):
            return
        owner.seq += 1
        pool.drop_claim(shard, claim, owner.grant.epoch.counter, owner.seq)
        self._record(pool, shard, owner, claim)

    # --- time --------------------------------------------------------------------------------

    def run_due(self) -> None:
        """Close what has ended, free what has cooled; bounded per event."""
        clocks = self.ctx.clocks
        if clocks.now.mono_ns < self.next_due_ns:
            return
        budget = EXPIRE_MAX
        for pool in list(self.book.by_no.values()):
            if budget > 0:
                budget -= self._expire(pool, budget)
            if budget > 0:
                budget -= self._cool(pool, budget)
            if pool.retired_us is not None and self._forgettable(pool):
                for shard in pool.shards:
                    shard.owner = None  # sealed, and everybody else has stopped asking for it
                    self.ctx.touch(shard)
                self.book.drop(pool)
        self.plan_due()

    def look(self) -> None:
        """Whatever is due, planned or not: rows came on some way, a deleted pool may be over."""
        self.next_due_ns = 0
        self.run_due()

    def filed(self, pool: PoolState) -> None:
        """Rows of others have been filed: the first of them may end or cool before all else."""
        clocks = self.ctx.clocks
        mono = clocks.now.mono_ns
        ends = pool.held_queue.next_due_ns()
        if ends is not None:
            self.next_due_ns = min(self.next_due_ns, mono + max(0, ends - clocks.told))
        cooled = pool.cooling_queue.next_due_ns()
        if cooled is not None:
            self.next_due_ns = min(self.next_due_ns, mono + max(0, cooled - clocks.slow))

    def _forgettable(self, pool: PoolState) -> bool:
        """Nothing told of a deleted pool can be in use, and nobody can still hold a part of it."""
        if any(shard.cooling or shard.held for shard in pool.shards):
            return False
        voters = (shard.voter for shard in pool.shards)
        return register.r10_generation_over(voters, self.ctx.clocks.slow)

    def plan_due(self) -> None:
        """Find the next instant at which `run_due` has something to do."""
        self.next_due_ns = NEVER
        for pool in self.book.by_no.values():
            self.filed(pool)

    def _expire(self, pool: PoolState, limit: int) -> int:
        told = self.ctx.clocks.told
        rows = pool.held_queue.pop_due(told, limit)
        for row in rows:
            shard = pool.shard_at(row.index)
            owner = shard.owner
            if owner is None:
                shard.unfiled = True  # its owner closes it; filed again if this node serves it
                continue
            if not holding.r7_may_change(owner, self.ctx.clocks.fast):
                shard.unfiled = True
                self._late(pool, shard, row)
                continue
            self.close(pool, shard, row, "expired", "expiry", quick=False)
            self.ctx.when_durable(self._announce_expired, (pool, row.subscriber, row.index))
            self.note_durable(shard, owner, row.seq)
        return len(rows)

    def _late(self, pool: PoolState, shard: Shard, row: Row) -> None:
        """A row ended while its shard is not held: looked at again when the hold is back."""
        owner = shard.owner
        assert owner is not None
        owner.late[row.index] = 1

    def late_rows(self, pool: PoolState, shard: Shard) -> None:
        """The hold is back: file rows again that ended meanwhile."""
        owner = shard.owner
        if owner is None or not owner.late:
            return
        for index in owner.late:
            row = shard.rows.get(index)
            if row is not None and row.length == HELD and row.ends:
                pool.held_queue.add(row, row.ends)
                self.next_due_ns = 0
        owner.late.clear()

    def _cool(self, pool: PoolState, limit: int) -> int:
        slow = self.ctx.clocks.slow
        rows = pool.cooling_queue.pop_due(slow, limit)
        for row in rows:
            shard = pool.shard_at(row.index)
            owner = shard.owner
            if owner is not None and not records.r10_release_frees(row, owner.commit_seq):
                # Not replicated yet, as far as is known: look again later.
                row.blocked = slow + min(pool.cooldown_ns, RECHECK_NS)
                pool.cooling_queue.add(row, row.blocked)
                continue
            pool.cooled(shard, row)
        return len(rows)

    def _announce_expired(self, argument: tuple[PoolState, str, int]) -> None:
        pool, subscriber, index = argument
        announce_end(self.ctx, pool, subscriber, index, "ALLOCATION_EXPIRED", "nexus", "expiry")

    # --- answers -----------------------------------------------------------------------------

    def release(
        self, reply_to: int, pool: PoolState, shard: Shard, row: Row, cause_id: str, actor: str
    ) -> Pending:
        """End an allocation by its holder's wish; the caller starts the answer."""
        self.close(pool, shard, row, "released", cause_id, quick=True)
        return Pending(RELEASE, reply_to, pool, shard, row, row.epoch, row.seq, cause_id, actor)
