"""A voter answers: grants, renewals, records, reads, releases.

Receives messages, calls the rules of `nexus.ownership.register`, persists what they changed and
answers once that is on disk.  A voter that is not complete (R21 c), or in another configuration
than the message, answers nothing but its configuration.
"""

from __future__ import annotations

from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.entries import ReplicaWritten, RowsWritten, VoterWritten
from nexus.core.members import Members
from nexus.core.messages import (
    AcceptShards,
    ConfigTold,
    GrantsRenewed,
    PrepareShards,
    Promise,
    Push,
    PushRecords,
    ReadShards,
    RecordsHeld,
    ReleaseShards,
    RenewGrants,
    ShardRead,
    ShardsAccepted,
    ShardsPromised,
    ShardsRead,
    ShardsReleased,
)
from nexus.ownership import records, register
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import Row, Shard
from nexus.ownership.values import ZERO, Ballot

UNKNOWN_SHARD = "unknown"
"""The voter has not learned of the pool yet."""


class Voting:
    """This node's voter."""

    def __init__(self, ctx: Context, book: PoolBook, members: Members) -> None:
        self.ctx = ctx
        self.book = book
        self.members = members

    def in_configuration(self, sender: str, config_no: int) -> bool:
        """The message is of our configuration and we may answer it (R21)."""
        ctx = self.ctx
        if config_no < ctx.configuration.number:
            ctx.send(sender, ConfigTold(ctx.configuration))
            return False
        return config_no == ctx.configuration.number and ctx.votes

    # --- grants ------------------------------------------------------------------------------

    def on_prepare(self, sender: str, message: PrepareShards) -> None:
        """Promise one ballot for several shards."""
        if not self.in_configuration(sender, message.config_no):
            return
        slow = self.ctx.clocks.slow
        fenced = not register.r15_may_be_granted(
            self.members.fenced_upto(sender), message.registration
        )
        promises: list[Promise] = []
        for key in message.shards:
            shard = self.book.shard(key)
            if shard is None:
                promises.append(Promise(key, UNKNOWN_SHARD, ZERO, None, duty=False))
                continue
            voter = shard.voter
            if fenced:
                refused = register.REFUSED_FENCED
            else:
                refused = register.prepare(voter, message.ballot, slow)
            if not refused:
                self.persist(shard)
            promises.append(
                Promise(key, refused, voter.promised, voter.grant, duty=register.r15_duty_of(voter))
            )
        self.ctx.send(sender, ShardsPromised(message.config_no, message.ballot, tuple(promises)))

    def on_accept(self, sender: str, message: AcceptShards) -> None:
        """Accept grants, asking R3 again."""
        if not self.in_configuration(sender, message.config_no):
            return
        ctx = self.ctx
        results: list[tuple[tuple[int, int], str, Ballot]] = []
        for key, grant in message.grants:
            shard = self.book.shard(key)
            if shard is None:
                results.append((key, UNKNOWN_SHARD, ZERO))
                continue
            if not register.r15_may_be_granted(
                self.members.fenced_upto(grant.owner), grant.registration
            ):
                results.append((key, register.REFUSED_FENCED, ZERO))
                continue
            refused = register.accept(shard.voter, grant, ctx.clocks.slow, ctx.config.drift_ppm)
            if not refused:
                shard.known_owner = grant.owner
                self.persist(shard)
            results.append((key, refused, shard.voter.promised))
        ctx.send(sender, ShardsAccepted(message.config_no, message.ballot, tuple(results)))

    def on_renew(self, sender: str, message: RenewGrants) -> None:
        """Renew all grants of an owner; nothing needs the disk unless a new session shows up."""
        if not self.in_configuration(sender, message.config_no):
            return
        ctx = self.ctx
        slow = ctx.clocks.slow
        drift_ppm = ctx.config.drift_ppm
        refused: list[tuple[tuple[int, int], str, Ballot]] = []
        changed = False
        for key, epoch in message.grants:
            shard = self.book.shard(key)
            if shard is None:
                refused.append((key, UNKNOWN_SHARD, ZERO))
                continue
            voter = shard.voter
            before = (voter.session, voter.quarantine)
            pool = self.book.by_no[key[0]]
            reason = register.renew(voter, epoch, message.session, slow, drift_ppm, pool.mclt_ns)
            if reason:
                refused.append((key, reason, max(voter.promised, voter.epoch)))
            elif (voter.session, voter.quarantine) != before:
                self.persist(shard)
                changed = True
        answer = GrantsRenewed(message.config_no, message.round_no, tuple(refused))
        if changed:
            ctx.send(sender, answer)
        else:
            ctx.send_now(sender, answer)

    def on_release(self, sender: str, message: ReleaseShards) -> None:
        """Hold the seals of drained shards."""
        if not self.in_configuration(sender, message.config_no):
            return
        done: list[tuple[tuple[int, int], Ballot]] = []
        for key, seal in message.seals:
            shard = self.book.shard(key)
            if shard is None:
                continue
            if not register.r12_release(shard.voter, seal) or shard.voter.epoch > seal.epoch:
                done.append((key, seal.epoch))
                self.persist(shard)
        self.ctx.send(sender, ShardsReleased(message.config_no, tuple(done)))

    # --- records -----------------------------------------------------------------------------

    def on_push(self, sender: str, message: PushRecords) -> None:
        """Hold records on disk and say up to which seq."""
        if not self.in_configuration(sender, message.config_no):
            return
        held: list[tuple[tuple[int, int], Ballot, int]] = []
        for push in message.pushes:
            pool = self.book.by_no.get(push.shard[0])
            if pool is None or push.shard[1] >= len(pool.shards):
                held.append((push.shard, push.epoch, -1))
                continue
            shard = pool.shards[push.shard[1]]
            if not register.r8a_may_hold(shard.voter, push.epoch):
                held.append((push.shard, push.epoch, -1))
                continue
            self._hold(pool, shard, push)
            held.append((push.shard, push.epoch, shard.voter.acked_seq))
        self.ctx.send(sender, RecordsHeld(message.config_no, message.round_no, tuple(held)))

    def _hold(self, pool: PoolState, shard: Shard, push: Push) -> None:
        ctx = self.ctx
        voter = shard.voter
        before = (voter.acked_seq, voter.commit_seq)
        rows = merge_rows(ctx, pool, shard, push.rows)
        voter.acked_seq = register.r8a_cumulative(voter, push.after_seq, push.last_seq)
        voter.commit_seq = max(voter.commit_seq, push.commit_seq)
        shard.have_epoch = push.epoch.counter
        shard.have_seq = voter.acked_seq
        if rows:
            ctx.persist(RowsWritten(pool.pool_no, tuple(rows)))
        if (voter.acked_seq, voter.commit_seq) != before:
            self.persist(shard)
        if push.commit_seq >= push.base_end:
            raise_floor(ctx, pool, shard, push.epoch.counter)

    def on_read(self, sender: str, message: ReadShards) -> None:
        """A successor reads what we hold; only after we have accepted its epoch (R8 c)."""
        if not self.in_configuration(sender, message.config_no):
            return
        reads: list[ShardRead] = []
        for key, floor, fingerprint in message.shards:
            pool = self.book.by_no.get(key[0])
            shard = self.book.shard(key)
            if pool is None or shard is None:
                reads.append(ShardRead(key, UNKNOWN_SHARD, 0, (0, 0), None, False, ()))
                continue
            voter = shard.voter
            if not register.r8c_may_answer_read(voter, message.ballot):
                reads.append(ShardRead(key, register.REFUSED_EPOCH, 0, (0, 0), None, False, ()))
                continue
            reads.append(self._read(sender, shard, key, floor, fingerprint))
        self.ctx.send(sender, ShardsRead(message.config_no, message.ballot, tuple(reads)))

    def _read(
        self, sender: str, shard: Shard, key: tuple[int, int], floor: int, fingerprint: int
    ) -> ShardRead:
        voter = shard.voter
        same = sender == self.ctx.me
        rows: list[Row] = []
        if not same:
            same = shard.fingerprint == fingerprint and shard.floor == floor
            rows = [row for row in shard.rows if not same or not row.fingerprint()]
        return ShardRead(
            key,
            register.OK,
            shard.floor,
            voter.last_commit,
            voter.seal,
            same,
            tuple(wire_rows(self.ctx, rows)),
        )

    # --- keeping -----------------------------------------------------------------------------

    def persist(self, shard: Shard) -> None:
        """Write the voter's part of one register."""
        voter = shard.voter
        self.ctx.persist(
            VoterWritten(
                shard.pool_no,
                shard.index,
                voter.promised,
                voter.grant,
                voter.mark,
                voter.seal,
                voter.session,
                voter.quarantine,
                voter.acked_seq,
                voter.commit_seq,
                voter.last_commit,
            )
        )

    def fence(self, member: str, upto: int) -> list[Shard]:
        """A fence was decided: mark every grant of the fenced registrations (R15 ii)."""
        marked: list[Shard] = []
        for pool in self.book.by_no.values():
            for shard in pool.shards:
                if register.r15_fence(shard.voter, member, range(upto + 1)):
                    self.persist(shard)
                    marked.append(shard)
        return marked

    def bury(self, member: str, incarnation: int) -> list[Shard]:
        """A lost disk was proved: grants of older incarnations are dead (R15 iv)."""
        marked: list[Shard] = []
        for pool in self.book.by_no.values():
            for shard in pool.shards:
                if register.r15_dead(shard.voter, member, incarnation):
                    self.persist(shard)
                    marked.append(shard)
        return marked


def wire_rows(ctx: Context, rows: list[Row]) -> list[records.WireRow]:
    """Rows as they travel, with what is left of their durations now."""
    told, slow, drift_ppm = ctx.clocks.told, ctx.clocks.slow, ctx.config.drift_ppm
    return [records.to_wire(row, told, slow, drift_ppm) for row in rows]


def merge_rows(
    ctx: Context, pool: PoolState, shard: Shard, rows: tuple[records.WireRow, ...]
) -> list[Row]:
    """Merge received elements; returns the rows that changed, dated by this receipt."""
    told, slow, drift_ppm = ctx.clocks.told, ctx.clocks.slow, ctx.config.drift_ppm
    changed: list[Row] = []
    for wire in rows:
        if not shard.start <= wire.index < shard.stop:
            continue
        if records.r18_below_floor(wire.epoch, shard.floor):
            continue
        row = shard.rows.get(wire.index)
        if row is not None and not records.r17_newer(wire.epoch, wire.seq, wire.length, row):
            continue
        new = records.from_wire(wire, told, slow, drift_ppm)
        pool.merge(shard, new)
        changed.append(new)
    return changed


def raise_floor(ctx: Context, pool: PoolState, shard: Shard, epoch: int) -> None:
    """R18: the successor serves; what it did not carry over does not count any more."""
    if epoch <= shard.floor:
        return
    shard.floor = epoch
    for row in [row for row in shard.rows if records.r18_below_floor(row.epoch, epoch)]:
        pool.forget(shard, row)
    ctx.persist(
        ReplicaWritten(
            shard.pool_no,
            shard.index,
            shard.known_owner,
            shard.floor,
            shard.have_epoch,
            shard.have_seq,
        )
    )
