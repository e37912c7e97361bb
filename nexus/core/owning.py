"""An owner serves what it has won: record rounds, serving, the end of a grant.

One record round per `round_interval` carries everything that voters lack and everything that
answers wait for (R8 d).  Renewals are `nexus.core.renewing`, giving back is `nexus.core.releasing`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from nexus.core import parts
from nexus.core.book import PoolBook
from nexus.core.campaigns import Campaigns, Key
from nexus.core.context import Context
from nexus.core.entries import OwnerWritten
from nexus.core.leasing import Leasing
from nexus.core.messages import Push, PushRecords, RecordsHeld
from nexus.core.releasing import Releasing
from nexus.core.renewing import Renewing
from nexus.core.shaping import shard_view
from nexus.core.telling import Telling
from nexus.core.voting import raise_floor, wire_rows
from nexus.model.time import NS_PER_MS, NS_PER_S
from nexus.ownership import configuration, holding, register
from nexus.ownership.shard import (
    BASING,
    DRAINING,
    RENEWING,
    SERVING,
    OwnerShard,
    Row,
    Shard,
)
from nexus.ownership.values import Ballot

ROUNDS_MAX = 64
"""Rounds whose answers are still counted; older ones are late in any case."""
RESEND_NS = 200 * NS_PER_MS
"""Records that are not acknowledged are sent again after this."""
RESEND_IDLE_NS = 2 * NS_PER_S
"""The same where no answer waits: a voter that is away does not have to be asked often."""


class Owning:
    """The shards that this node owns."""

    def __init__(
        self, ctx: Context, book: PoolBook, leasing: Leasing, telling: Telling, campaigns: Campaigns
    ) -> None:
        self.ctx = ctx
        self.book = book
        self.leasing = leasing
        self.telling = telling
        self.campaigns = campaigns
        self.owned: dict[Key, Shard] = {}
        self.rounds: dict[int, tuple[int, dict[Key, Ballot]]] = {}
        self.on_fresh: Callable[[Shard], None] = _nothing
        """Set by the node: tells members that do not vote of fresh records (R7)."""
        self.woken = False
        """Shards began to serve or are held again: waiting requests may try once more."""
        self.releasing = Releasing(ctx, book, telling, campaigns, self.owned, self.drop)
        self.renewing = Renewing(
            ctx,
            book,
            telling,
            campaigns,
            self.releasing,
            serve=self._serve,
            held_again=self._held_again,
        )

    # --- serving -----------------------------------------------------------------------------

    def _serve(self, shard: Shard, owner: OwnerShard) -> None:
        """R4: the base is replicated and a majority renewed this epoch."""
        ctx = self.ctx
        pool = self.book.by_no[shard.pool_no]
        owner.state = SERVING
        if ctx.lone:
            # After a restart nobody else is asked what a quorum holds: our disk is the quorum.
            owner.commit_seq = shard.voter.commit_seq = max(owner.commit_seq, owner.durable_seq)
        if owner.grant.quarantine and owner.quarantine_until is None:
            owner.quarantine_until = holding.r15_quarantine_until(
                ctx.clocks.slow, pool.mclt_ns, ctx.config.drift_ppm
            )
            ctx.timers.set_earlier("quarantine", ctx.clocks.mono_at(slow=owner.quarantine_until))
        self.campaigns.persist_owner(shard, owner)
        pool.build_free_maps(shard)
        if shard.unfiled:
            shard.unfiled = False
            pool.held_queue.add_all(shard.rows)
        pool.set_available(shard, available=pool.retired_us is None)
        self.leasing.next_due_ns = 0
        self.woken = True
        if not ctx.alone:
            self.leasing.mark_dirty(shard)
        ctx.when_durable(self._announce, shard)

    def _held_again(self, shard: Shard) -> None:
        """A served shard's hold had run out and is back: what ended meanwhile is closed now."""
        self.leasing.late_rows(self.book.by_no[shard.pool_no], shard)
        self.woken = True

    def quarantine_over(self) -> None:
        """Shards whose quarantine is waited out serve like any other, after a restart too."""
        slow = self.ctx.clocks.slow
        for shard in self.owned.values():
            owner = shard.owner
            if owner is None or owner.quarantine_until is None:
                continue
            if holding.r15_quarantined(owner, slow):
                due = self.ctx.clocks.mono_at(slow=owner.quarantine_until)
                self.ctx.timers.set_earlier("quarantine", due)
            elif owner.grant.quarantine:
                owner.grant = msgspec.structs.replace(owner.grant, quarantine=False)
                self.campaigns.persist_owner(shard, owner)
        self.woken = True

    def _announce(self, shard: Shard) -> None:
        if shard.owner is not None:
            pool = self.book.by_no[shard.pool_no]
            view = shard_view(self.ctx, pool, shard)
            self.ctx.watch("put", f"shards/{pool.spec.id}/{shard.index}", view)

    def drop(self, shard: Shard, why: str) -> None:
        """The grant is over for us: given up, marked, or granted to another."""
        owner = shard.owner
        if owner is None:
            return
        self.telling.drop_shard(shard)
        self.book.by_no[shard.pool_no].drop_free_maps(shard)
        shard.owner = None
        shard.known_owner = None
        self.ctx.touch(shard)
        self.owned.pop(shard.key, None)
        self.ctx.persist(
            OwnerWritten(
                shard.pool_no, shard.index, owner.grant.epoch, None, why, 0, (0, 0), owner.seal
            )
        )
        self.ctx.timers.set_earlier("placement", self.ctx.now.mono_ns)

    # --- record rounds -----------------------------------------------------------------------

    def based(self) -> None:
        """Bases were written: replicate them."""
        for shard in self.campaigns.based:
            owner = shard.owner
            if owner is not None:
                self.ctx.when_durable(self._base_durable, (shard, owner))
                if not self.ctx.alone:
                    self.leasing.mark_dirty(shard)
        self.campaigns.based = []

    def _base_durable(self, argument: tuple[Shard, OwnerShard]) -> None:
        shard, owner = argument
        if shard.owner is not owner:
            return
        owner.durable_seq = max(owner.durable_seq, owner.base_end)
        self._self_ack(shard, owner)
        self._committed(shard, owner)

    def _self_ack(self, shard: Shard, owner: OwnerShard) -> None:
        """Our own voter holds what our own disk holds, while it may (R8 a)."""
        ctx = self.ctx
        if ctx.votes and register.r8a_may_hold(shard.voter, owner.grant.epoch):
            shard.voter.acked_seq = max(shard.voter.acked_seq, owner.durable_seq)
            owner.acked[ctx.me] = shard.voter.acked_seq

    def round(self) -> None:
        """Send every voter what it lacks, and ask it to confirm what answers wait for."""
        ctx = self.ctx
        dirty = self.leasing.dirty
        wanted: dict[Key, Shard] = dict(dirty)
        for key in self.telling.questions:
            shard = self.book.shard(key)
            if shard is not None:
                wanted[key] = shard
        active = {
            key: shard
            for key, shard in sorted(wanted.items())
            if shard.owner is not None
            and shard.owner.state in (BASING, RENEWING, SERVING, DRAINING)
        }
        for key in [key for key in dirty if key not in active]:
            del dirty[key]
        if not active:
            return
        self.telling.round_no += 1
        number = self.telling.round_no
        self.rounds[number] = (
            ctx.clocks.fast,
            {key: shard.owner.grant.epoch for key, shard in active.items() if shard.owner},
        )
        self.rounds.pop(number - ROUNDS_MAX, None)
        for voter in ctx.configuration.voters:
            if voter != ctx.me:
                self._send_pushes(voter, number, active)
        urgent = bool(self.telling.questions)
        for shard in active.values():
            if shard.owner is not None:
                shard.owner.commit_told = shard.owner.commit_seq
                urgent = urgent or shard.owner.state in (BASING, DRAINING)
                self.on_fresh(shard)
                self.leasing.note_durable(shard, shard.owner, shard.owner.seq)
                ctx.when_durable(self._after_durable, (shard, shard.owner))
        resend = RESEND_NS if urgent else RESEND_IDLE_NS
        ctx.timers.set_earlier("round", ctx.now.mono_ns + resend)

    def _after_durable(self, argument: tuple[Shard, OwnerShard]) -> None:
        shard, owner = argument
        if shard.owner is owner:
            self._self_ack(shard, owner)
            self._committed(shard, owner)

    def _send_pushes(self, voter: str, number: int, active: dict[Key, Shard]) -> None:
        """One message for all shards, or one for each so many rows; they are counted by shard."""
        ctx = self.ctx
        config_no, session = ctx.configuration.number, ctx.config.session
        pushes: list[Push] = []
        count = 0
        for place, shard in enumerate(active.values(), 1):
            push = self._push(shard, voter)
            pushes.append(push)
            count += len(push.rows) + len(push.gone)
            if count > parts.ROWS_SMALL or place == len(active):
                ctx.send_long(voter, PushRecords(config_no, number, tuple(pushes), session), count)
                pushes, count = [], 0

    def _push(self, shard: Shard, voter: str) -> Push:
        """What this voter lacks, up to our last seq: every row newer than it has acknowledged."""
        owner = shard.owner
        assert owner is not None
        after, rows, gone = fresh_rows(shard, owner, owner.acked.get(voter, 0))
        return Push(
            shard.key,
            owner.grant.epoch,
            after,
            owner.seq,
            owner.commit_seq,
            owner.base_end,
            tuple(wire_rows(self.ctx, rows)),
            gone,
        )

    def on_held(self, sender: str, message: RecordsHeld) -> None:
        """A voter holds records; count it if it is in time (R8 b)."""
        ctx = self.ctx
        sent_round = self.rounds.get(message.round_no)
        if sent_round is None or (message.config_no, message.session) != (
            ctx.configuration.number,
            ctx.config.session,
        ):
            return
        sent, asked = sent_round
        for key, epoch, seq in message.held:
            shard = self.book.shard(key)
            owner = shard.owner if shard is not None else None
            if shard is None or owner is None or seq < 0 or owner.grant.epoch != epoch:
                continue
            if asked.get(key) != epoch:
                continue
            in_time = owner.state == BASING or holding.r8b_counts(
                sent, ctx.clocks.fast, ctx.config.ack_limit_ns, owner.hold_until
            )
            if not in_time:
                continue
            owner.acked[sender] = max(owner.acked.get(sender, 0), seq)
            owner.confirmed[sender] = max(owner.confirmed.get(sender, 0), message.round_no)
            self._self_ack(shard, owner)
            self._committed(shard, owner)
            self.telling.answered(shard)

    def _committed(self, shard: Shard, owner: OwnerShard) -> None:
        """The highest seq that a quorum holds; a base that is committed may be served."""
        config = self.ctx.configuration
        for seq in sorted(set(owner.acked.values()), reverse=True):
            if seq <= owner.commit_seq and seq > 0:
                break
            if configuration.r8_replicated(config, holding.r8d_holding(seq, owner.acked)):
                owner.commit_seq = max(owner.commit_seq, seq)
                break
        if owner.state == BASING and self._base_committed(owner):
            pool = self.book.by_no[shard.pool_no]
            owner.state = RENEWING
            raise_floor(self.ctx, pool, shard, owner.grant.epoch.counter)
            if holding.r4_may_serve(owner) and holding.r5_holds(owner, self.ctx.clocks.fast):
                self._serve(shard, owner)
            else:
                self.renewing.renew_soon(shard.key)
        if owner.state == DRAINING:
            self.releasing.try_seal(shard, owner)
        self._trim(shard, owner)

    def _base_committed(self, owner: OwnerShard) -> bool:
        holders = holding.r8d_holding(owner.base_end, owner.acked)
        return configuration.r8c_base_replicated(self.ctx.configuration, holders)

    def _trim(self, shard: Shard, owner: OwnerShard) -> None:
        """Forget the tail that every voter has."""
        voters = self.ctx.configuration.voters
        low = min((owner.acked.get(voter, -1) for voter in voters), default=-1)
        if low > owner.sent_floor:
            owner.sent_floor = low
            owner.tail = {seq: index for seq, index in owner.tail.items() if seq > low}
        told = owner.commit_told >= owner.commit_seq or self.ctx.lone
        if told and low >= owner.seq and shard.key not in self.telling.questions:
            self.leasing.dirty.pop(shard.key, None)

    # --- voters change (R21) -----------------------------------------------------------------

    def reconfigured(self) -> None:
        """Answers of the old configuration do not count; everything is asked again."""
        self.rounds.clear()
        self.releasing.reset()
        for shard in self.owned.values():
            owner = shard.owner
            if owner is None:
                continue
            kept = set(self.ctx.configuration.voters)
            owner.acked = {voter: 0 for voter in owner.acked if voter in kept}
            owner.refused_at = None
            owner.confirmed = {}
            owner.tail.clear()
            owner.sent_floor = owner.seq
            self.leasing.mark_dirty(shard)
        self.renewing.renew_anew()


def fresh_rows(
    shard: Shard, owner: OwnerShard, after: int
) -> tuple[int, list[Row], tuple[int, ...]]:
    """(start, rows, units that are over) of the records after a seq; start 0: the whole shard."""
    if after < owner.sent_floor:
        counter = owner.grant.epoch.counter
        return 0, [row for row in shard.rows if row.epoch == counter], ()
    rows: list[Row] = []
    gone: dict[int, None] = {}
    for seq, index in owner.tail.items():
        if seq > after:
            row = shard.rows.get(index)
            if row is None:
                gone[index] = None
            elif row.seq == seq:
                rows.append(row)
    return after, rows, tuple(gone)


def _nothing(_: Shard) -> None:
    """Default of a hook that nobody has taken."""
