"""A voter answers: grants, renewals, records, reads, releases.

Receives messages, calls the rules of `nexus.ownership.register`, persists what they changed and
answers once that is on disk.  A voter that is not complete (R21 c), or in another configuration
than the message, answers nothing but its configuration.
"""

from __future__ import annotations

from nexus.core import parts
from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.entries import ReplicaWritten, RowsWritten, VoterWritten
from nexus.core.members import Members
from nexus.core.messages import (
    AcceptShards,
    ChallengeAnswered,
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
    SessionChallenged,
    ShardRead,
    ShardsAccepted,
    ShardsPromised,
    ShardsRead,
    ShardsReleased,
)
from nexus.ownership import records, register
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import READING, Row, Shard
from nexus.ownership.values import ZERO, Ballot, Session

UNKNOWN_SHARD = "unknown"
"""The voter has not learned of the pool yet."""


class Voting:
    """This node's voter."""

    def __init__(self, ctx: Context, book: PoolBook, members: Members) -> None:
        self.ctx = ctx
        self.book = book
        self.members = members
        self._unsaved: dict[tuple[int, int], int] = {}
        """Token of the latest write of each register: nothing is said of it before."""
        self._challenges: dict[str, tuple[Session, int]] = {}

    def in_configuration(self, sender: str, config_no: int) -> bool:
        """The message is of our configuration and we may answer it (R21)."""
        ctx = self.ctx
        if config_no != ctx.configuration.number:
            # To one that is behind this tells ours, one that is ahead answers with its own.
            ctx.send(sender, ConfigTold(ctx.configuration))
            return False
        return ctx.votes

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
        over: dict[int, bool] = {}
        for key in message.shards:
            shard = self.book.shard(key)
            if shard is None:
                promises.append(Promise(key, UNKNOWN_SHARD, ZERO, None, duty=False))
                continue
            voter = shard.voter
            wait_ns = 0
            if fenced:
                refused = register.REFUSED_FENCED
            elif not self._generations_over(shard, over):
                refused = register.REFUSED_TIMER
            else:
                refused = register.prepare(voter, message.ballot, slow)
            if not refused:
                self.persist(shard)
            elif refused == register.REFUSED_TIMER:
                wait_ns = register.r3_wait_ns(voter, slow)
            duty = register.r15_duty_of(voter)
            promises.append(
                Promise(key, refused, voter.promised, voter.grant, duty=duty, wait_ns=wait_ns)
            )
        self.ctx.send(sender, ShardsPromised(message.config_no, message.ballot, tuple(promises)))

    def on_accept(self, sender: str, message: AcceptShards) -> None:
        """Accept grants, asking R3 again."""
        if not self.in_configuration(sender, message.config_no):
            return
        ctx = self.ctx
        results: list[tuple[tuple[int, int], str, Ballot]] = []
        over: dict[int, bool] = {}
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
            if not self._generations_over(shard, over):
                refused = register.REFUSED_TIMER
            else:
                refused = register.accept(shard.voter, grant, ctx.clocks.slow, ctx.config.drift_ppm)
            if not refused:
                shard.known_owner = grant.owner
                ctx.touch(shard)
                self.persist(shard)
            results.append((key, refused, shard.voter.promised))
        ctx.send(sender, ShardsAccepted(message.config_no, message.ballot, tuple(results)))

    def _generations_over(self, shard: Shard, over: dict[int, bool]) -> bool:
        """No grant of a deleted pool over the same range can still be held (R3, R10).

        ``over`` is what one message has found out so far: the answer is the same for all shards of
        a pool, and each costs a look at all shards of its predecessors.
        """
        pool = self.book.by_no[shard.pool_no]
        known = over.get(pool.pool_no)
        if known is None:
            slow = self.ctx.clocks.slow
            known = over[pool.pool_no] = (
                pool.retired_us is None
                and not pool.inheriting
                and all(
                    register.r10_generation_over((old.voter for old in before.shards), slow)
                    for before in self.book.predecessors(pool)
                )
            )
        return known

    def on_renew(self, sender: str, message: RenewGrants) -> None:
        """Renew all grants of an owner; nothing needs the disk unless a new session shows up."""
        if not self.in_configuration(sender, message.config_no):
            return
        ctx = self.ctx
        slow = ctx.clocks.slow
        drift_ppm = ctx.config.drift_ppm
        refused: list[tuple[tuple[int, int], str, Ballot]] = []
        wait = False
        superseded: Session | None = None
        for key, epoch in message.grants:
            shard = self.book.shard(key)
            if shard is None:
                refused.append((key, UNKNOWN_SHARD, ZERO))
                continue
            voter = shard.voter
            before = (voter.session, voter.quarantine)
            pool = self.book.by_no[key[0]]
            if pool.retired_us is not None:
                refused.append((key, register.REFUSED_MARK, ZERO))
                continue
            reason = register.renew(voter, epoch, message.session, slow, drift_ppm, pool.mclt_ns)
            if reason:
                refused.append((key, reason, max(voter.promised, voter.epoch)))
                if reason == register.SUPERSEDED:
                    superseded = voter.session
            elif (voter.session, voter.quarantine) != before:
                self.persist(shard)
            wait = wait or self._unsaved.get(key, 0) > ctx.durable
        answer = GrantsRenewed(
            message.config_no, message.round_no, tuple(refused), message.session, slow
        )
        if wait:
            ctx.send(sender, answer)
        else:
            ctx.send_now(sender, answer)
        if superseded is not None:
            self._challenge(sender, message.session)

    def _challenge(self, sender: str, session: Session) -> None:
        """R22: a late duplicate says nothing; does the older session still live?"""
        nonce = self.ctx.rng.getrandbits(63)
        self._challenges[sender] = (session, nonce)
        self.ctx.send_now(sender, SessionChallenged(session, nonce))

    def on_challenge_answered(self, sender: str, message: ChallengeAnswered) -> None:
        """It does: two processes act for one member."""
        asked = self._challenges.pop(sender, None)
        if asked is not None and register.r22_clone(asked, message.session, message.nonce):
            self.ctx.audit(
                "CLONE_SEEN", "nexus", "renewal", f"nodes/{sender}", session=message.session.counter
            )

    def on_release(self, sender: str, message: ReleaseShards) -> None:
        """Hold the seals of drained shards."""
        if not self.in_configuration(sender, message.config_no):
            return
        done: list[tuple[tuple[int, int], Ballot]] = []
        for key, seal in message.seals:
            shard = self.book.shard(key)
            if shard is None:
                done.append((key, seal.epoch))
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
            if pool.retired_us is not None or not register.r8a_may_hold(shard.voter, push.epoch):
                held.append((push.shard, push.epoch, -1))
                continue
            self._hold(pool, shard, push)
            held.append((push.shard, push.epoch, shard.voter.acked_seq))
        answer = RecordsHeld(message.config_no, message.round_no, tuple(held), message.session)
        self.ctx.send(sender, answer)

    def _hold(self, pool: PoolState, shard: Shard, push: Push) -> None:
        ctx = self.ctx
        voter = shard.voter
        before = (voter.acked_seq, voter.commit_seq)
        counter = push.epoch.counter
        rows = merge_rows(ctx, pool, shard, push.rows)
        prune_rows(ctx, pool, shard, push.rows, push.gone, push.after_seq, (counter, push.last_seq))
        voter.acked_seq = register.r8a_cumulative(voter, push.after_seq, push.last_seq)
        voter.commit_seq = max(voter.commit_seq, push.commit_seq)
        if voter.acked_seq >= push.base_end:
            have = max((shard.have_epoch, shard.have_seq), (counter, voter.acked_seq))
            shard.have_epoch, shard.have_seq = have
            ctx.touch(shard)
        if rows:
            ctx.persist(RowsWritten(pool.pool_no, tuple(rows)))
        if (voter.acked_seq, voter.commit_seq) != before:
            self.persist(shard)
        if records.r8c_may_drop(voter.acked_seq, push.commit_seq, push.base_end):
            raise_floor(ctx, pool, shard, counter)

    def on_read(self, sender: str, message: ReadShards) -> None:
        """A successor reads what we hold; only after we have accepted its epoch (R8 c)."""
        if not self.in_configuration(sender, message.config_no):
            return
        reads: list[ShardRead] = []
        row_count = 0
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
            read = self._read(sender, shard, key, floor, fingerprint)
            reads.append(read)
            row_count += len(read.rows)
            if row_count > parts.ROWS_SMALL:
                self._send_reads(sender, message, reads)
                reads, row_count = [], 0
        if reads:
            self._send_reads(sender, message, reads)

    def _send_reads(self, to: str, message: ReadShards, reads: list[ShardRead]) -> None:
        answer = ShardsRead(message.config_no, message.ballot, tuple(reads))
        self.ctx.send_long(to, answer, sum(len(read.rows) for read in reads))

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
            voter.last_held,
        )

    # --- keeping -----------------------------------------------------------------------------

    def persist(self, shard: Shard) -> None:
        """Write the voter's part of one register."""
        self._unsaved[shard.key] = self.ctx.persist(voter_entry(shard))

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


def voter_entry(shard: Shard) -> VoterWritten:
    """The voter's part of one register as the log keeps it."""
    voter = shard.voter
    return VoterWritten(
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
        voter.last_held,
    )


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
    position = position_of(shard)
    for wire in rows:
        if not shard.start <= wire.index < shard.stop:
            continue
        if records.r18_below_floor(wire.epoch, shard.floor):
            continue
        row = shard.rows.get(wire.index)
        if row is None:
            if records.r17_over(wire, position):
                continue
        elif not records.r17_newer(wire.epoch, wire.seq, wire.length, row):
            continue
        ctx.hybrid.observe(wire.created_us, ctx.now.wall_us)
        new = records.from_wire(wire, told, slow, drift_ppm)
        pool.merge(shard, new)
        changed.append(new)
    return changed


def position_of(shard: Shard) -> tuple[int, int]:
    """(epoch, seq) up to which this node has had all elements of a shard."""
    owner = shard.owner
    if owner is not None and owner.state != READING:
        return owner.grant.epoch.counter, owner.seq
    return shard.have_epoch, shard.have_seq


def prune_rows(
    ctx: Context,
    pool: PoolState,
    shard: Shard,
    rows: tuple[records.WireRow, ...],
    gone: tuple[int, ...],
    after_seq: int,
    upto: tuple[int, int],
) -> None:
    """Drop what a sender that has everything up to ``upto`` does not have any more (R17, R18)."""
    if after_seq == 0:
        there = {wire.index for wire in rows}
        absent = [row for row in shard.rows if row.index not in there]
    else:
        units = dict.fromkeys(gone)
        absent = [row for index in units if (row := shard.rows.get(index)) is not None]
    for row in absent:
        if records.r17_over(row, upto):
            pool.forget(shard, row)


def raise_floor(ctx: Context, pool: PoolState, shard: Shard, epoch: int) -> None:
    """R18: the successor serves; what it did not carry over does not count any more."""
    if epoch <= shard.floor:
        return
    shard.floor = epoch
    ctx.touch(shard)
    for row in [row for row in shard.rows if records.r18_below_floor(row.epoch, epoch)]:
        pool.forget(shard, row)
    ctx.persist(replica_entry(shard))


def replica_entry(shard: Shard) -> ReplicaWritten:
    """How far this node has a shard's elements, as the log keeps it."""
    return ReplicaWritten(
        shard.pool_no,
        shard.index,
        shard.known_owner,
        shard.floor,
        shard.have_epoch,
        shard.have_seq,
    )
