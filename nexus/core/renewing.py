"""An owner keeps its grants alive: renewals, refusals, giving up, newer sessions (R4, R5, R22).

All grants are renewed once an interval, in a round of messages of bounded size: neither sending one
nor its answer holds the node up, however many shards it has.  Each message notes its own time
before it is sent, so a shard that is late in a round simply holds from later on (R5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from nexus.core.book import PoolBook
from nexus.core.campaigns import Campaigns, Key
from nexus.core.context import Context
from nexus.core.entries import HoldsWritten
from nexus.core.messages import (
    AcceptShards,
    ChallengeAnswered,
    GrantsRenewed,
    RenewGrants,
    SessionChallenged,
)
from nexus.core.releasing import Releasing
from nexus.core.telling import Telling
from nexus.model.time import NS_PER_MS, NS_PER_S
from nexus.ownership import clocks as timelines
from nexus.ownership import configuration, holding, register
from nexus.ownership.shard import DRAINING, RENEWING, SEALED, OwnerShard, Shard
from nexus.ownership.values import Ballot

RENEW_INTERVAL_MAX_NS = 20 * NS_PER_S
WITNESS_FRACTION = 3
"""Renewals per `witness_age` of a node without a running clock."""
RENEW_FRACTION = 6
"""Renewals per horizon."""
HOLDS_ENTRY_NS = 30 * NS_PER_S
"""Unchanged holds are written down this often: what a cold start may resume is that much less."""
SHARDS_PER_RENEWAL = 1_024
"""Shards that one message renews."""
RENEWAL_GAP_NS = 5 * NS_PER_MS
"""Between two messages of a round; less where the round would fill half of its interval."""
MESSAGES_MAX = 64
"""Renewals whose answers are still counted, those of two rounds at least; older ones are late in
any case."""


class _Renewal:
    """One message: when it left, for which grants, and what each voter refused of it."""

    __slots__ = ("answers", "grants", "sent")

    def __init__(self, sent: int, grants: dict[Key, Ballot]) -> None:
        self.sent = sent
        self.grants = grants
        self.answers: dict[str, frozenset[Key]] = {}

    def renewed_by(self, key: Key) -> list[str]:
        """Voters that acknowledged the renewal of one shard."""
        return [voter for voter, refused in self.answers.items() if key not in refused]


class Renewing:
    """The renewals of one node's grants.

    Parameters
    ----------
    serve : begins to serve a shard whose base is replicated and that is held (R4).
    held_again : a served shard's hold had run out and is back.
    """

    def __init__(
        self,
        ctx: Context,
        book: PoolBook,
        telling: Telling,
        campaigns: Campaigns,
        releasing: Releasing,
        *,
        serve: Callable[[Shard, OwnerShard], None],
        held_again: Callable[[Shard], None],
    ) -> None:
        self.ctx = ctx
        self.book = book
        self.telling = telling
        self.campaigns = campaigns
        self.releasing = releasing
        self.owned = releasing.owned
        self.drop = releasing.drop
        self.serve = serve
        self.held_again = held_again
        self.sent: dict[int, _Renewal] = {}
        self.message_no = 0
        self._left: deque[Key] = deque()
        """Shards that the round under way has still to name."""
        self._spent_ns = 0
        """For how long it has been under way, by the gaps between its messages."""
        self._horizon_ns: int | None = None
        """Smallest finite horizon of the round before."""
        self._seen_ns: int | None = None
        """The same of this round, so far."""
        self.superseded = False
        """A newer session of this member was seen: this process stops acting (R22)."""
        self._holds_written: list[tuple[int, int, Ballot]] = []
        self._holds_due = 0

    def adopt(self, shards: list[Shard]) -> None:
        """Shards were won: renew them at once, along with the others if those are few."""
        for shard in shards:
            self.owned[shard.key] = shard
        if not shards:
            return
        if len(self.owned) <= SHARDS_PER_RENEWAL:
            self.renew()
            return
        grants = self._grants([shard.key for shard in shards])
        due = self.ctx.now.mono_ns + self.interval_ns()
        self.ctx.timers.set_earlier("renew", due)
        self._send(grants)

    def interval_ns(self) -> int:
        """min(20 s, smallest finite horizon held / 6), or as configured."""
        if self.ctx.config.witness_ns is not None:
            return self.ctx.config.witness_ns // WITNESS_FRACTION
        if self.ctx.config.renew_interval_ns is not None:
            return self.ctx.config.renew_interval_ns
        largest = RENEW_INTERVAL_MAX_NS * RENEW_FRACTION
        smallest = min(self._horizon_ns or largest, self._seen_ns or largest)
        return min(RENEW_INTERVAL_MAX_NS, smallest // RENEW_FRACTION)

    def renew(self) -> None:
        """Begin a round over everything, or go on with the one under way: its next message."""
        ctx = self.ctx
        if not self._left:
            self._left.extend(self.owned)
            self._spent_ns = 0
            self._seen_ns = None
        left = self._left
        grants = self._grants([left.popleft() for _ in range(min(len(left), SHARDS_PER_RENEWAL))])
        if left:
            gap = self._gap_ns()
            self._spent_ns += gap
            ctx.timers.set("renew", ctx.now.mono_ns + gap)
            interval = self.interval_ns()
        else:
            self._horizon_ns = self._seen_ns
            interval = self.interval_ns()
            jitter = int(interval * ctx.config.renew_jitter_ratio)
            delay = interval - jitter // 2 + (ctx.rng.randrange(jitter) if jitter else 0)
            if self.owned:
                ctx.timers.set("renew", ctx.now.mono_ns + max(0, delay - self._spent_ns))
            self._spent_ns = 0
        self._give_up(interval, grants)
        self._send({key: epoch for key, epoch in grants.items() if key in self.owned})

    def renew_anew(self) -> None:
        """Begin a round now; no answer to an earlier one counts (R21)."""
        self.sent.clear()
        self._left.clear()
        if self.owned:
            self.renew()

    def renew_soon(self, key: Key) -> None:
        """A shard waits for its renewal: name it next, in a round that begins now if need be."""
        if self._left:
            self._left.appendleft(key)
        self.ctx.timers.set("renew", self.ctx.now.mono_ns)

    def _gap_ns(self) -> int:
        messages = -(-len(self.owned) // SHARDS_PER_RENEWAL)
        return min(RENEWAL_GAP_NS, self.interval_ns() // (2 * messages))

    def _grants(self, keys: list[Key]) -> dict[Key, Ballot]:
        """What there is to renew of some shards; those that are not ours any more are let go."""
        grants: dict[Key, Ballot] = {}
        seen = self._seen_ns
        for key in keys:
            shard = self.owned.get(key)
            if shard is None:
                continue
            owner = shard.owner
            if owner is None:
                del self.owned[key]
                continue
            horizon = owner.grant.horizon_ns
            if horizon is not None and (seen is None or horizon < seen):
                seen = horizon
            if owner.state != SEALED:
                grants[key] = owner.grant.epoch
        self._seen_ns = seen
        return grants

    def _send(self, grants: dict[Key, Ballot]) -> None:
        """One renewal, noting the time before sending (R5)."""
        if not grants or self.superseded:
            return
        ctx = self.ctx
        self.message_no += 1
        self.sent[self.message_no] = _Renewal(ctx.clocks.fast, grants)
        kept = max(MESSAGES_MAX, 2 * -(-len(self.owned) // SHARDS_PER_RENEWAL))
        while len(self.sent) > kept:
            del self.sent[next(iter(self.sent))]
        message = RenewGrants(
            ctx.configuration.number, self.message_no, ctx.config.session, tuple(grants.items())
        )
        for voter in ctx.configuration.voters:
            ctx.send_now(voter, message)

    def _give_up(self, interval_ns: int, keys: Iterable[Key]) -> None:
        """R5: refused for a higher ballot and two intervals past the hold."""
        for key in keys:
            shard = self.owned[key]
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
        renewal = self.sent.get(message.round_no)
        if renewal is None:
            return
        if self.ctx.config.witness_ns is not None and sender != self.ctx.me:
            self.ctx.clocks.witness(sender, message.clock_ns)
        config = self.ctx.configuration
        refused = {key: (reason, ballot) for key, reason, ballot in message.refused}
        # What a voter acknowledged once is acknowledged, whatever it says of a late copy.
        still = frozenset(refused).intersection(renewal.answers.get(sender, refused))
        register.r2_count(renewal.answers, sender, still, config.voters)
        whole = not any(renewal.answers.values())
        quorum = whole and configuration.r5_renewed(config, renewal.answers)
        for key, epoch in renewal.grants.items():
            if key in refused:
                self._renewal_refused(sender, key, epoch, *refused[key])
            elif quorum or (
                not whole and configuration.r5_renewed(config, renewal.renewed_by(key))
            ):
                shard = self.owned.get(key)
                if shard is not None and (owner := shard.owner) and owner.grant.epoch == epoch:
                    self._renewed(shard, owner, renewal.sent)
        self._keep_holds()

    def _renewed(self, shard: Shard, owner: OwnerShard, sent: int) -> None:
        if self.superseded:
            return  # R22: whatever voters say that have not met the newer session
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
            self.serve(shard, owner)
        elif not held_before and holding.r5_holds(owner, fast):
            self.held_again(shard)

    # --- cold start (R11) --------------------------------------------------------------------

    def _keep_holds(self) -> None:
        """An edge that may serve after a start while cut off writes down what it holds."""
        ctx = self.ctx
        if ctx.config.cold_start_error_bound_ns is None:
            return
        kept = self.holds()
        grants = [hold[:3] for hold in kept.holds]
        if grants != self._holds_written or ctx.clocks.slow >= self._holds_due:
            self._holds_written = grants
            self._holds_due = ctx.clocks.slow + HOLDS_ENTRY_NS
            ctx.persist(kept)

    def holds(self) -> HoldsWritten:
        """What is left of the holds now."""
        clocks = self.ctx.clocks
        return HoldsWritten(
            clocks.mark(self.ctx.config.boot_id),
            tuple(
                (*key, shard.owner.grant.epoch, shard.owner.hold_until - clocks.fast)
                for key, shard in self.owned.items()
                if shard.owner is not None and holding.r5_holds(shard.owner, clocks.fast)
            ),
        )

    def resume(self, kept: HoldsWritten | None) -> None:
        """After a start: hold what the process before held, for what is left of it.

        Without `cold_start_offline` nothing is held before a fresh renewal (R11).
        """
        ctx = self.ctx
        bound_ns = ctx.config.cold_start_error_bound_ns
        if kept is None or bound_ns is None:
            return
        now = ctx.now
        elapsed = timelines.r11_most_elapsed(kept.mark, ctx.config.boot_id, now, bound_ns)
        for pool_no, index, epoch, left_ns in kept.holds:
            shard = self.owned.get((pool_no, index))
            owner = shard.owner if shard is not None else None
            if owner is None or owner.state != RENEWING or owner.grant.epoch != epoch:
                continue
            left = holding.r5_hold_left(left_ns, elapsed)
            if left:
                owner.hold_until = ctx.clocks.fast + left
                owner.window_ns = owner.grant.horizon_ns or 0

    def serve_resumed(self) -> None:
        """The session is on disk: serve what is held still."""
        for shard in self.owned.values():
            owner = shard.owner
            if owner is None or owner.state != RENEWING:
                continue
            if holding.r4_may_serve(owner) and holding.r5_holds(owner, self.ctx.clocks.fast):
                self.serve(shard, owner)

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
        if self.ctx.config.cold_start_error_bound_ns is not None:
            self.ctx.persist(HoldsWritten(self.ctx.clocks.mark(self.ctx.config.boot_id), ()))
        for shard in list(self.owned.values()):
            if shard.owner is not None:
                shard.owner.hold_until = 0
            self.book.by_no[shard.pool_no].set_available(shard, available=False)
            self.telling.drop_shard(shard)

    def on_challenged(self, sender: str, message: SessionChallenged) -> None:
        """R22: only the process that is asked answers; a late duplicate has none."""
        if message.superseded == self.ctx.config.session:
            self.ctx.send_now(sender, ChallengeAnswered(message.superseded, message.nonce))
