"""An owner keeps what it has won: renewals, record rounds, serving, drain, giving up.

One renewal covers all shards of the node (R5); one record round per `round_interval` carries
everything that voters lack and everything that answers wait for (R8 d).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from nexus.core.book import PoolBook
from nexus.core.campaigns import Campaigns, Key
from nexus.core.context import Context
from nexus.core.entries import OwnerWritten
from nexus.core.leasing import Leasing
from nexus.core.messages import (
    AcceptShards,
    ChallengeAnswered,
    GrantsRenewed,
    Push,
    PushRecords,
    RecordsHeld,
    RenewGrants,
    SessionChallenged,
)
from nexus.core.releasing import Releasing
from nexus.core.shaping import shard_view
from nexus.core.telling import Telling
from nexus.core.voting import raise_floor, wire_rows
from nexus.model.time import NS_PER_MS, NS_PER_S
from nexus.ownership import configuration, holding, register
from nexus.ownership.shard import (
    BASING,
    DRAINING,
    RENEWING,
    SEALED,
    SERVING,
    OwnerShard,
    Row,
    Shard,
)
from nexus.ownership.values import Ballot

RENEW_INTERVAL_MAX_NS = 20 * NS_PER_S
WITNESS_FRACTION = 3
"""Renewals per `witness_age` of a node without a running clock."""
RENEW_FRACTION = 6
"""Renewals per horizon."""
ROUNDS_MAX = 64
"""Rounds whose answers are still counted; older ones are late in any case."""
RESEND_NS = 200 * NS_PER_MS
"""Records that are not acknowledged are sent again after this."""
RESEND_IDLE_NS = 2 * NS_PER_S
"""The same where no answer waits: a voter that is away does not have to be asked often."""


class _Round:
    """One renewal or record round: when it left and who acknowledged what."""

    __slots__ = ("grants", "sent", "voters")

    def __init__(self, sent: int, grants: dict[Key, Ballot]) -> None:
        self.sent = sent
        self.grants = grants
        self.voters: dict[Key, dict[str, None]] = {key: {} for key in grants}


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
        self.renewals: dict[int, _Round] = {}
        self.renew_no = 0
        self.rounds: dict[int, tuple[int, dict[Key, Ballot]]] = {}
        self.on_fresh: Callable[[Shard], None] = _nothing
        """Set by the node: tells members that do not vote of fresh records (R7)."""
        self.superseded = False
        """A newer session of this member was seen: this process stops acting (R22)."""
        self.woken = False
        """Shards began to serve or are held again: waiting requests may try once more."""
        self.releasing = Releasing(ctx, book, telling, campaigns, self.owned, self.drop)

    # --- renewals ----------------------------------------------------------------------------

    def adopt(self, shards: list[Shard]) -> None:
        """Shards were won: renew them along with the others, at once."""
        for shard in shards:
            self.owned[shard.key] = shard
        if shards:
            self.renew()

    def interval_ns(self) -> int:
        """min(20 s, smallest finite horizon held / 6), or as configured."""
        if self.ctx.config.witness_ns is not None:
            return self.ctx.config.witness_ns // WITNESS_FRACTION
        if self.ctx.config.renew_interval_ns is not None:
            return self.ctx.config.renew_interval_ns
        horizons = [
            owner.grant.horizon_ns
            for shard in self.owned.values()
            if (owner := shard.owner) is not None and owner.grant.horizon_ns is not None
        ]
        smallest = min(horizons, default=RENEW_INTERVAL_MAX_NS * RENEW_FRACTION)
        return min(RENEW_INTERVAL_MAX_NS, smallest // RENEW_FRACTION)

    def renew(self) -> None:
        """Send one renewal for everything, noting the time before sending (R5)."""
        ctx = self.ctx
        grants: dict[Key, Ballot] = {}
        for key, shard in list(self.owned.items()):
            owner = shard.owner
            if owner is None:
                del self.owned[key]
            elif owner.state != SEALED:
                grants[key] = owner.grant.epoch
        interval = self.interval_ns()
        jitter = int(interval * ctx.config.renew_jitter_ratio)
        delay = interval - jitter // 2 + (ctx.rng.randrange(jitter) if jitter else 0)
        if self.owned:
            ctx.timers.set("renew", ctx.now.mono_ns + delay)
        self._give_up(interval)
        grants = {key: epoch for key, epoch in grants.items() if key in self.owned}
        if not grants or self.superseded:
            return
        self.renew_no += 1
        self.renewals[self.renew_no] = _Round(ctx.clocks.fast, grants)
        self.renewals.pop(self.renew_no - ROUNDS_MAX, None)
        message = RenewGrants(
            ctx.configuration.number, self.renew_no, ctx.config.session, tuple(grants.items())
        )
        for voter in ctx.configuration.voters:
            ctx.send_now(voter, message)

    def _give_up(self, interval_ns: int) -> None:
        """R5: refused for a higher ballot and two intervals past the hold."""
        for shard in list(self.owned.values()):
            owner = shard.owner
            if owner is not None and holding.r5_gives_up(owner, self.ctx.clocks.fast, interval_ns):
                self.drop(shard, "given up")

    def on_renewed(self, sender: str, message: GrantsRenewed) -> None:
        """A voter restarted its timers, but for what it refused."""
        if (message.config_no, message.session) != (
            self.ctx.configuration.number,
            self.ctx.config.session,
        ):
            return
        sent_round = self.renewals.get(message.round_no)
        if sent_round is None:
            return
        if self.ctx.config.witness_ns is not None and sender != self.ctx.me:
            self.ctx.clocks.witness(sender, message.clock_ns)
        refused = {key: (reason, ballot) for key, reason, ballot in message.refused}
        config = self.ctx.configuration
        for key, epoch in sent_round.grants.items():
            if key in refused:
                self._renewal_refused(sender, key, epoch, *refused[key])
                continue
            voters = sent_round.voters[key]
            register.r2_count(voters, sender, None, config.voters)
            shard = self.owned.get(key)
            if (
                shard is not None
                and shard.owner is not None
                and shard.owner.grant.epoch == epoch
                and configuration.r5_renewed(config, voters)
            ):
                self._renewed(shard, shard.owner, sent_round.sent)

    def _renewed(self, shard: Shard, owner: OwnerShard, sent: int) -> None:
        fast = self.ctx.clocks.fast
        held_before = holding.r5_holds(owner, fast)
        hold_until = holding.r5_hold_until(sent, fast, owner.grant.horizon_ns)
        hold_until = holding.r5_witnessed_until(sent, hold_until, self.ctx.config.witness_ns)
        if hold_until > owner.hold_until:
            owner.hold_until = hold_until
            owner.window_ns = 0 if hold_until >= holding.FOREVER else hold_until - sent
            owner.refused_at = None
        if owner.state == DRAINING:
            self.releasing.try_seal(shard, owner)
        elif owner.state == RENEWING and holding.r5_holds(owner, fast):
            self._serve(shard, owner)
        elif not held_before and holding.r5_holds(owner, fast):
            self.leasing.late_rows(self.book.by_no[shard.pool_no], shard)
            self.woken = True

    def _renewal_refused(
        self, sender: str, key: Key, epoch: Ballot, reason: str, ballot: Ballot
    ) -> None:
        shard = self.owned.get(key)
        owner = shard.owner if shard is not None else None
        if shard is None or owner is None or owner.grant.epoch != epoch:
            return
        if reason == register.SUPERSEDED:
            self.stop_all()
        elif reason == register.REFUSED_MARK:
            if owner.state != SEALED:
                self.drop(shard, "marked")
        elif reason == register.REFUSED_EPOCH and ballot <= epoch:
            self._offer_again(sender, key, owner)
        elif ballot > epoch and owner.refused_at is None:
            owner.refused_at = self.ctx.clocks.fast
            self.campaigns.counter = max(self.campaigns.counter, ballot.counter)

    def _offer_again(self, voter: str, key: Key, owner: OwnerShard) -> None:
        """A voter missed our grant and holds nothing for us: it may accept late (R3 is asked)."""
        grant = owner.grant
        if owner.quarantine_until is not None:
            grant = msgspec.structs.replace(grant, quarantine=True)
        number = self.ctx.configuration.number
        self.ctx.send(voter, AcceptShards(number, grant.epoch, ((key, grant),)))

    def stop_all(self) -> None:
        """R22: a newer session of this member lives; this one holds nothing any more."""
        self.superseded = True
        for shard in list(self.owned.values()):
            if shard.owner is not None:
                shard.owner.hold_until = 0
            self.book.by_no[shard.pool_no].set_available(shard, available=False)
            self.telling.drop_shard(shard)

    def on_challenged(self, sender: str, message: SessionChallenged) -> None:
        """R22: only the process that is asked answers; a late duplicate has none."""
        if message.superseded == self.ctx.config.session:
            self.ctx.send_now(sender, ChallengeAnswered(message.superseded, message.nonce))

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
                pushes = tuple(self._push(shard, voter) for shard in active.values())
                session = ctx.config.session
                ctx.send(voter, PushRecords(ctx.configuration.number, number, pushes, session))
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
                self.ctx.timers.set("renew", self.ctx.now.mono_ns)
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
        self.renewals.clear()
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
        if self.owned:
            self.renew()


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
