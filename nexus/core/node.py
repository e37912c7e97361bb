"""The node: one door for change.  An event and the time go in, ordered effects come out.

Joins the parts (voter, owner, candidate, leases, decisions, placement, spread) and gives each
event to the one it is for (messages and timers: `inbound.py`).  Never waits, reads no clock, knows
no disk and no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, assert_never

from nexus.core.book import PoolBook
from nexus.core.calls import Call
from nexus.core.campaigns import Campaigns
from nexus.core.catalog import Catalog
from nexus.core.config import NodeConfig
from nexus.core.context import PARKED_MAX, Context
from nexus.core.decisions import Decisions
from nexus.core.effects import Effect
from nexus.core.entries import SessionStarted
from nexus.core.events import (
    ApiGathered,
    ApiRequested,
    DeadlineReached,
    Event,
    MemberJudged,
    MessageReceived,
    PeerConnected,
    PeerLost,
    Persisted,
    Started,
    StorageFailed,
)
from nexus.core.facts import Facts
from nexus.core.history import History
from nexus.core.inbound import Inbound
from nexus.core.invariants import check_node
from nexus.core.joining import Joining
from nexus.core.leasing import Leasing
from nexus.core.members import Member, Members
from nexus.core.operations import OPERATIONS
from nexus.core.owning import Owning
from nexus.core.passing import Passing
from nexus.core.placement import Placement
from nexus.core.restore import Remembered, Restorer
from nexus.core.retiring import Retiring
from nexus.core.slices import Slices
from nexus.core.snapshots import snapshot_entries
from nexus.core.spread import Spread
from nexus.core.telling import Telling
from nexus.core.tickets import Tickets
from nexus.core.timers import NEVER
from nexus.core.voters import Voters
from nexus.core.voting import Voting
from nexus.errors import NexusError
from nexus.model.time import NS_PER_US, Instant
from nexus.ownership import clocks as timelines
from nexus.ownership import configuration, register
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import FLAG_REDATE, HELD, SEALED, Shard

INBOX_STEPS_MAX = 100_000
"""Messages to ourselves handled in one event; more means that two parts talk in a circle."""
VOTERS_MAX = 5


class InvariantError(AssertionError):
    """One of our own invariants is broken: the node stops rather than going on wrongly."""


class NexusNode:
    """One member of a cluster.  `handle` is the only mutator."""

    def __init__(
        self,
        config: NodeConfig,
        *,
        rng: Random,
        now: Instant,
        restored: Iterable[Any] = (),
    ) -> None:
        self.config = config
        self.ctx = ctx = Context(config, timelines.NodeClocks(now), rng)
        self.book = PoolBook()
        self.members = Members()
        self.facts = Facts(ctx, self.members)
        self.history = History()
        self.tickets = Tickets(ctx)
        self.catalog = Catalog(ctx, self.book, self.members)
        self.telling = Telling(ctx, self.history)
        self.leasing = Leasing(ctx, self.book, self.telling, self.history)
        self.voting = Voting(ctx, self.book, self.members)
        self.campaigns = Campaigns(ctx, self.book)
        self.owning = Owning(ctx, self.book, self.leasing, self.telling, self.campaigns)
        self.placement = Placement(ctx, self.book, self.members, self.campaigns, self.owning)
        self.decisions = Decisions(ctx, self.catalog.execute)
        self.joining = Joining(ctx, self.members, self.campaigns, self.decisions)
        self.spread = Spread(ctx, self.book, self.members, self.catalog, self.decisions, self.facts)
        self.retiring = Retiring(ctx, self.book)
        self.voters = Voters(ctx, self.book, self.decisions)
        self.passing = Passing(self)
        self.slices = Slices(ctx, self.answer)
        self.inbound = Inbound(self)
        self.lost_peers: dict[str, None] = {}
        self._found()
        self._wire()
        self._restore(restored, now)

    # --- beginning ---------------------------------------------------------------------------

    def _found(self) -> None:
        """Founding members and voters, the same on every founding member."""
        config = self.config
        if not config.members:
            self.members.add(Member(config.node_id, config.role))
            voters: tuple[str, ...] = (config.node_id,)
        else:
            for founder in config.members:
                self.members.add(Member(founder.id, founder.role, founder.weight))
            cores = [founder.id for founder in config.members if founder.role == "core"]
            size = max(size for size in configuration.SIZES if size <= max(1, len(cores)))
            voters = config.voters or tuple(sorted(cores)[: min(size, VOTERS_MAX)])
        self.ctx.configuration = configuration.stable(1, voters)

    def _wire(self) -> None:
        """Connect what decisions mean for this node's own shards."""
        catalog = self.catalog
        catalog.on_pool_gone = self._pool_gone
        catalog.on_placement = self._placement_changed
        catalog.generations.start = self.slices.start_in_turn
        catalog.generations.on_shard_gone = self._shard_gone
        catalog.generations.on_inherited = self._inherited
        catalog.on_fenced = self._fenced
        catalog.on_disk_lost = self._disk_lost
        self.voters.on_change = self._voters_changed
        self.owning.on_fresh = self.spread.push
        self.owning.releasing.mark_dirty = self.leasing.mark_dirty
        self.telling.pass_back = self.passing.pass_back

    def _restore(self, entries: Iterable[Any], now: Instant) -> None:
        """One pass, entry by entry: what one decoded entry leaves over the next one uses again."""
        ctx = self.ctx
        ctx.replaying = True
        remembered = Remembered()
        restorer = Restorer(self.catalog)
        for entry in entries:
            if remembered.take(entry) and remembered.mark is not None:
                # Replayed operations happen at the time at which they were written.
                mark = remembered.mark
                self.catalog.generations.dated(mark.slow)
                ctx.clocks = timelines.NodeClocks(now, slow=mark.slow, told=mark.told)
            restorer.take(entry)
        ctx.clocks = timelines.continued(
            remembered.mark, self.config.boot_id, now, self.config.clock_error_bound_ns
        )
        owners = restorer.finish(ctx.clocks.slow, ctx.clocks.told, self.config.drift_ppm, ctx.me)
        self.voters.restore(restorer.configuration)
        self.decisions.slot = restorer.slot
        self.decisions.values.update(restorer.values)
        self.decisions.restore_votes(restorer.votes)
        ctx.replaying = False
        if remembered.mark is not None:
            ctx.hybrid.observe(remembered.mark.wall_ns // NS_PER_US, now.wall_us)
        for pool in self.book.by_no.values():
            for shard in pool.shards:
                owner = shard.owner
                if owner is not None:
                    self.owning.owned[shard.key] = shard
                    # Our disk is the quorum, and what was read is on it.
                    if ctx.lone and register.r8a_may_hold(shard.voter, owner.grant.epoch):
                        owner.commit_seq = max(owner.commit_seq, owner.durable_seq)
        self.campaigns.abandoned = restorer.abandoned()
        self.owning.renewing.resume(restorer.holds)
        last = remembered.mark
        if owners and last is not None and last.boot_id != self.config.boot_id:
            self._redate_all()
        me = self.members.get(ctx.me)
        if me is not None:
            self.campaigns.registration = me.registration
        self._count_members()
        self.leasing.plan_due()

    def _redate_all(self) -> None:
        """R8 b: leases told before a reboot are dated anew before they are told again."""
        for shard in self.owning.owned.values():
            for row in shard.rows:
                if row.length == HELD and row.ends:
                    row.flags |= FLAG_REDATE

    # --- the door ----------------------------------------------------------------------------

    def handle(self, event: Event, now: Instant) -> tuple[Effect, ...]:
        """Let something happen; returns what the world has to do about it, in order."""
        ctx = self.ctx
        ctx.clocks.advance(now)
        if now.mono_ns >= self.leasing.next_due_ns and ctx.storage_failed is None:
            self.leasing.run_due()
        if type(event) is MessageReceived:
            self.inbound.receive(event.sender, event.message)
        else:
            self._happened(event)
        if ctx.inbox or self.campaigns.based or self.owning.woken:
            self._settle()
        return ctx.take_effects()

    def _happened(self, event: Event) -> None:
        """Anything but a message, which is what happens most."""
        match event:
            case ApiRequested():
                self.run(Call(event.reply_to, event.cause_id, event.actor, event.request))
            case ApiGathered():
                for one in event.requests:
                    self.run(Call(one.reply_to, one.cause_id, one.actor, one.request))
            case Persisted():
                self.ctx.durable_upto(event.token)
            case MessageReceived():
                self.inbound.receive(event.sender, event.message)
            case DeadlineReached():
                self.inbound.deadline()
            case Started():
                self._start()
            case PeerConnected():
                self.lost_peers.pop(event.peer, None)
            case PeerLost():
                self.lost_peers[event.peer] = None
            case MemberJudged():
                if self.members.judge(event.member, event.verdict):
                    self._placement_changed()
            case StorageFailed():
                self._storage_failed(event.reason)
            case _:
                assert_never(event)

    def next_deadline_ns(self) -> int | None:
        """Monotonic instant at which `DeadlineReached` is wanted, None for never."""
        due = self.ctx.timers.next_ns
        leases_due = self.leasing.next_due_ns
        if leases_due < due and self.ctx.storage_failed is None:
            due = leases_due
        return due if due < NEVER else None

    def check_invariants(self) -> None:
        """Raise `InvariantError` naming the invariant and the story if one is broken."""
        problem = check_node(self)
        if problem is not None:
            raise InvariantError(problem)

    def snapshot_entries(self) -> Iterator[Any]:
        """Entries that rebuild this node, made piece by piece while it serves."""
        return snapshot_entries(self)

    # --- events ------------------------------------------------------------------------------

    def _start(self) -> None:
        """The session begins: written first, so that no session number is used twice (R22)."""
        ctx = self.ctx
        config = self.config
        ctx.persist(
            SessionStarted(
                config.cluster_id,
                config.node_id,
                config.incarnation,
                config.session,
                ctx.clocks.mark(config.boot_id),
            )
        )
        ctx.when_durable(self._started, None)

    def _started(self, _: None) -> None:
        ctx = self.ctx
        now = ctx.now.mono_ns
        if self.owning.owned:
            self.owning.renewing.renew()
            for shard in self.owning.owned.values():
                owner = shard.owner
                if owner is not None and owner.state == "basing":
                    self.campaigns.based.append(shard)
            self.owning.renewing.serve_resumed()
        self.catalog.generations.resume()
        self.campaigns.give_back()
        ctx.timers.set_earlier("campaigns", now)
        ctx.timers.set_earlier("placement", now)
        ctx.timers.set_earlier("release", now)
        self._spread_soon()
        self.voters.start()
        self.joining.start()

    def _spread_soon(self) -> None:
        """Life signs and digests, once there is somebody to send them to."""
        ctx = self.ctx
        if ctx.alone:
            return
        now = ctx.now.mono_ns
        ctx.timers.set_earlier("life", now)
        if not ctx.timers.is_set("digest"):
            ctx.timers.set("digest", now + ctx.rng.randrange(ctx.config.digest_interval_ns))

    def _count_members(self) -> None:
        """Whether there is anybody else at all."""
        known = self.members.ids()
        self.ctx.alone = self.ctx.lone and known in ([], [self.ctx.me])

    def _settle(self) -> None:
        """Messages to ourselves, fresh bases, and calls that waited for a grant."""
        steps = 0
        inbox = self.ctx.inbox
        while inbox or self.campaigns.based or self.owning.woken:
            steps += 1
            if steps > INBOX_STEPS_MAX:
                raise InvariantError("this node's parts send each other messages without end")
            if self.campaigns.based:
                self.owning.based()
            elif inbox:
                self.inbound.receive(self.ctx.me, inbox.popleft())
            else:
                self.owning.woken = False
                self.passing.retry_waiting()

    def _storage_failed(self, reason: str) -> None:
        """No acknowledgement of something lost: who waits for the disk is told so."""
        ctx = self.ctx
        given_up = ctx.fail_storage(reason)
        error = NexusError("storage_failed", f"the disk failed: {reason}", definite=False)
        self.telling.refuse_all("storage_failed", error.message, given_up)
        self.decisions.fail_all(error)
        self.slices.fail_all(error)
        self.passing.fail_all(NexusError("storage_failed", error.message))
        for pool in self.book.by_no.values():
            for shard in pool.shards:
                pool.set_available(shard, available=False)

    # --- what decisions mean here ------------------------------------------------------------

    def _placement_changed(self) -> None:
        if self.ctx.replaying:
            return
        was_alone = self.ctx.alone
        self._count_members()
        if was_alone and not self.ctx.alone:
            self._spread_soon()
        self.ctx.timers.set_earlier("placement", self.ctx.now.mono_ns)
        self.inbound.rows_came()
        self.joining.start()

    def _pool_gone(self, pool: PoolState) -> None:
        """Nothing is given from a deleted pool, and its grants are not renewed, from here on."""
        for shard in pool.shards:
            owner = shard.owner
            if owner is not None:
                self.telling.drop_shard(shard)
                pool.drop_free_maps(shard)
                if owner.state != SEALED:  # one that is sealed goes on being given back
                    self.owning.owned.pop(shard.key, None)

    def _shard_gone(self, shard: Shard) -> None:
        """The turn of a deleted pool's shard: seal its grant, so that nobody waits for it (R12)."""
        owner = shard.owner
        if owner is not None and owner.state != SEALED:
            self.owning.releasing.end_deleted(shard)
            shard.owner = None
            self.ctx.touch(shard)

    def _inherited(self) -> None:
        """A pool that took over what a deleted one left blocked: its shards may be granted now."""
        self.campaigns.backoff.clear()
        now = self.ctx.now.mono_ns
        self.ctx.timers.set_earlier("campaigns", now)
        self.ctx.timers.set_earlier("placement", now)

    def _fenced(self, member: str, upto: int) -> None:
        """A registration counts no more: mark its grants; if it is ours, hold nothing (R15 ii)."""
        if self.ctx.replaying:
            return
        self.voting.fence(member, upto)
        self.facts.fenced(member, upto)
        self.campaigns.backoff.clear()
        if member == self.ctx.me:
            for shard in list(self.owning.owned.values()):
                owner = shard.owner
                if owner is not None and owner.grant.registration <= upto:
                    self.owning.drop(shard, "fenced")
            me = self.members.get(member)
            if me is not None:
                self.campaigns.registration = me.registration

    def _disk_lost(self, member: str, incarnation: int) -> None:
        if not self.ctx.replaying:
            self.voting.bury(member, incarnation)
            self.campaigns.backoff.clear()
            self._placement_changed()

    def _voters_changed(self) -> None:
        """Another configuration: what was counted in the old one does not count (R21)."""
        self._count_members()
        self._spread_soon()
        self.campaigns.reset()
        self.owning.reconfigured()
        self.decisions.reset()

    # --- services for operations -------------------------------------------------------------

    def run(self, call: Call) -> None:
        """Run (again) what a call asks for; refusals become answers here."""
        run = OPERATIONS.get(type(call.request))
        try:
            if run is None:
                raise NexusError("internal_error", f"unknown request {type(call.request).__name__}")
            if len(self.ctx.parked) > PARKED_MAX:
                raise NexusError("rate_limited", "the disk is too slow", retry_after_s=1)
            run(self, call.request, call)
        except NexusError as refusal:
            # Its traceback holds every frame up to the world's, one of which holds the effects,
            # which hold the refusal; and effects are hidden from the collector.
            refusal.__context__ = refusal.__cause__ = None
            self.answer(call, refusal.with_traceback(None))

    def answer(self, call: Call, result: Any) -> None:
        """Answer now (nothing that needs the disk first)."""
        if call.collector is not None:
            call.collector.put(call.place, result)
        elif call.origin is not None:
            self.passing.pass_back(call.origin, result)
        else:
            self.ctx.reply(call.reply_to, result)

    def decide(self, op: Any, call: Call, answer: Callable[[Any], None] | None = None) -> None:
        """Have an operation decided, then answer with its outcome."""
        if self.ctx.storage_failed is not None:
            raise NexusError(
                "storage_failed", f"the disk refuses writes: {self.ctx.storage_failed}"
            )
        if answer is None:

            def answer(outcome: Any) -> None:
                self.answer(call, outcome)

        self.decisions.propose(op, call.cause_id, call.actor, answer)

    def reachable(self, member: str) -> bool:
        """The transport reaches the member, as far as is known."""
        return member not in self.lost_peers and self.members.verdicts.get(member) != "offline"

    def wait_for_grant(self, call: Call) -> None:
        """Try the call again when shards begin to serve; refuse it after `grant_wait`."""
        self.passing.wait_for_grant(call)

    def forward(self, to: str, call: Call) -> None:
        """Let another member answer."""
        self.passing.forward(to, call)
