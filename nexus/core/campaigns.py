"""A candidate's way to a shard: prepare, accept, read, base (R1-R3, R8 c, R15).

One campaign is one ballot for any number of shards; every shard goes its own way through the
phases as answers arrive, counted once per voter.  What a campaign has won becomes an `OwnerShard`
and is served after its base is replicated and a majority has renewed it (R4), which is
`nexus.core.owning`'s part.
"""

from __future__ import annotations

from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.entries import ABANDONED, GrantsProposed, OwnerWritten, RowsWritten
from nexus.core.messages import (
    AcceptShards,
    PrepareShards,
    Promise,
    ReadShards,
    ReleaseShards,
    ShardRead,
    ShardsAccepted,
    ShardsPromised,
    ShardsRead,
)
from nexus.model.time import NS_PER_MS
from nexus.ownership import configuration, holding, records, register
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import BASING, FLAG_DOUBTFUL, HELD, READING, OwnerShard, Row, Shard
from nexus.ownership.values import Ballot, Grant, Seal

Key = tuple[int, int]

SHARDS_PER_MESSAGE = 512
BACKOFF_MAX_NS = 10_000 * NS_PER_MS
"""A candidate that is refused tries again after `retry_ns`, doubling up to this."""
CAMPAIGNS_MAX = 16
"""Campaigns under way at once; the oldest is given up for a new one."""


class _Campaign:
    """One ballot and how far each of its shards is."""

    __slots__ = ("accepted", "ballot", "due_ns", "grants", "promises", "refusals", "shards")

    def __init__(self, ballot: Ballot, shards: list[Key], due_ns: int) -> None:
        self.ballot = ballot
        self.shards: dict[Key, None] = dict.fromkeys(shards)
        self.promises: dict[Key, dict[str, Promise]] = {key: {} for key in shards}
        self.refusals: dict[Key, dict[str, None]] = {}
        self.grants: dict[Key, Grant] = {}
        self.accepted: dict[Key, dict[str, None]] = {}
        self.due_ns = due_ns


class Campaigns:
    """This node's candidacies."""

    def __init__(self, ctx: Context, book: PoolBook) -> None:
        self.ctx = ctx
        self.book = book
        self.registration = 1
        self.running: dict[int, _Campaign] = {}
        """By ballot counter; a counter is used once per node."""
        self.counter = 0
        self.lost_disk = False
        """A voter holds a grant of this member that it made with another disk."""
        self.backoff: dict[Key, tuple[int, int]] = {}
        """shard -> (monotonic instant of the next try, delay used)."""
        self.abandoned: dict[Key, Ballot] = {}
        """The latest epoch per shard that was proposed, not won, and will never be served."""
        self.reads: dict[Key, dict[str, ShardRead]] = {}
        self.based: list[Shard] = []
        """Shards whose base was just written; the owner pushes it."""

    # --- prepare and accept ------------------------------------------------------------------

    def start(self, keys: list[Key]) -> None:
        """Try for shards that placement gives this node and nobody is known to serve."""
        now = self.ctx.now.mono_ns
        busy = {key for campaign in self.running.values() for key in campaign.shards}
        again = {key: self.backoff[key][0] for key in keys if key in self.backoff}
        ready = [key for key in keys if key not in busy and again.get(key, 0) <= now]
        later = [due for due in again.values() if due > now]
        if later and self.ctx.alone:  # a node alone looks only when it is told to
            self.ctx.timers.set_earlier("placement", min(later))
        if not ready:
            return
        self._new_counter(ready)
        session = self.ctx.config.session.counter
        incarnation = self.ctx.config.incarnation
        ballot = register.r2_ballot(self.counter, self.ctx.me, incarnation, session)
        if len(self.running) >= CAMPAIGNS_MAX:
            self._abandon(self.running.pop(min(self.running)))
        self.running[self.counter] = _Campaign(ballot, ready, now + 4 * self.ctx.config.retry_ns)
        self._send_prepare(ballot, ready)
        self.ctx.timers.set_earlier("campaigns", now + self.ctx.config.retry_ns)

    def _new_counter(self, keys: list[Key]) -> None:
        """Above everything this node has seen of these shards (R2)."""
        for key in keys:
            shard = self.book.shard(key)
            if shard is not None:
                voter = shard.voter
                self.counter = max(
                    self.counter,
                    voter.promised.counter,
                    voter.epoch.counter,
                    shard.floor,
                    shard.have_epoch,
                )
        self.counter += 1

    def _send_prepare(self, ballot: Ballot, keys: list[Key]) -> None:
        number = self.ctx.configuration.number
        for first in range(0, len(keys), SHARDS_PER_MESSAGE):
            part = tuple(keys[first : first + SHARDS_PER_MESSAGE])
            message = PrepareShards(number, ballot, self.registration, part)
            for voter in self.ctx.configuration.voters:
                self.ctx.send(voter, message)

    def on_promised(self, sender: str, message: ShardsPromised) -> None:
        """Voters promise or refuse; propose grants where a quorum promised."""
        campaign = self.running.get(message.ballot.counter)
        if (
            campaign is None
            or campaign.ballot != message.ballot
            or not self._ours(message.config_no)
        ):
            return
        grants: list[tuple[Key, Grant]] = []
        for promise in message.promises:
            key = promise.shard
            if key not in campaign.shards or key in campaign.grants:
                continue
            if promise.refused:
                self.counter = max(self.counter, promise.promised.counter)
                self._refused(key, promise.wait_ns)
                grant = promise.grant
                if grant is not None and grant.epoch == self.abandoned.get(key):
                    self._release([(key, grant.epoch)])
                elif grant is not None and grant.owner == self.ctx.me:
                    self._own_earlier_life(grant)
                campaign.refusals.setdefault(key, {})[sender] = None
                if not self._can_win(campaign.refusals[key]):
                    campaign.shards.pop(key)
                continue
            promises = campaign.promises[key]
            register.r2_count(promises, sender, promise, self.ctx.configuration.voters)
            if configuration.r2_granted(self.ctx.configuration, promises):
                grant = self._grant(campaign.ballot, key, promises)
                if grant is not None:
                    campaign.grants[key] = grant
                    campaign.accepted[key] = {}
                    grants.append((key, grant))
        if grants:
            keys = tuple(key for key, _ in grants)
            self.ctx.persist(GrantsProposed(campaign.ballot, keys))
            self._send_accept(campaign, grants)
        self._forget_if_done(campaign)

    def proposals(self) -> list[GrantsProposed]:
        """What was proposed and may still be accepted somewhere, but is not ours: for the log."""
        by_epoch: dict[Ballot, list[Key]] = {}
        for campaign in self.running.values():
            if campaign.grants:
                by_epoch[campaign.ballot] = list(campaign.grants)
        for key, epoch in self.abandoned.items():
            shard = self.book.shard(key)
            owner = shard.owner if shard is not None else None
            if shard is not None and (owner is None or owner.grant.epoch < epoch):
                by_epoch.setdefault(epoch, []).append(key)
        return [GrantsProposed(epoch, tuple(keys)) for epoch, keys in sorted(by_epoch.items())]

    def give_back(self) -> None:
        """The process before this one proposed these grants and ended before it had won them."""
        epochs = [(key, epoch) for key, epoch in self.abandoned.items() if self.book.shard(key)]
        for first in range(0, len(epochs), SHARDS_PER_MESSAGE):
            self._release(epochs[first : first + SHARDS_PER_MESSAGE])

    def _send_accept(self, campaign: _Campaign, grants: list[tuple[Key, Grant]]) -> None:
        """Propose, again where answers are missing: a duplicate changes nothing."""
        number = self.ctx.configuration.number
        accept = AcceptShards(number, campaign.ballot, tuple(grants))
        for voter in self.ctx.configuration.voters:
            self.ctx.send(voter, accept)

    def _abandon(self, campaign: _Campaign) -> None:
        """Grants proposed and not won are never served; who accepted one must not wait for it."""
        self._release([(key, grant.epoch) for key, grant in campaign.grants.items()])

    def _release(self, epochs: list[tuple[Key, Ballot]]) -> None:
        """Give back what was never served: nothing was told under it (R12)."""
        if not epochs:
            return
        for key, epoch in epochs:
            self.abandoned[key] = epoch
            self.ctx.persist(OwnerWritten(key[0], key[1], epoch, None, ABANDONED, 0, (0, 0), None))
        seals = tuple((key, Seal(epoch, 0, 0)) for key, epoch in epochs)
        for voter in self.ctx.configuration.voters:
            self.ctx.send(voter, ReleaseShards(self.ctx.configuration.number, seals))

    def _grant(self, ballot: Ballot, key: Key, promises: dict[str, Promise]) -> Grant | None:
        pool = self.book.by_no.get(key[0])
        if pool is None or pool.retired_us is not None:
            return None
        duty = register.r15_duty_or(promise.duty for promise in promises.values())
        return Grant(
            ballot,
            self.ctx.me,
            self.registration,
            self.ctx.config.incarnation,
            self.horizon_ns(pool),
            duty,
        )

    def horizon_ns(self, pool: PoolState) -> int | None:
        """H of a grant to this node: by the pool, else by this node's role."""
        config = self.ctx.config
        return holding.r5_offline_horizon(
            self._asked_horizon_ns(pool), config.core_horizon_ns, running_clock=config.running_clock
        )

    def _asked_horizon_ns(self, pool: PoolState) -> int | None:
        spec = pool.spec
        config = self.ctx.config
        if spec.pinned:
            return None
        if spec.horizon is not None:
            return spec.horizon * 1_000_000_000
        if spec.fast_failover:
            return config.fast_failover_horizon_ns
        return config.edge_horizon_ns if config.role == "edge" else config.core_horizon_ns

    def _can_win(self, refusals: dict[str, None]) -> bool:
        """The voters that have not refused would be a quorum."""
        config = self.ctx.configuration
        left = [voter for voter in config.voters if voter not in refusals]
        return configuration.r21b_quorum(config, register.r2_distinct(left))

    def _own_earlier_life(self, grant: Grant) -> None:
        """A grant of ours that another disk of ours held: that disk is lost (R15 iv)."""
        if register.r15_disk_lost(grant.incarnation, self.ctx.config.incarnation):
            self.lost_disk = True
            self.ctx.timers.set_earlier("join", self.ctx.now.mono_ns)

    def _refused(self, key: Key, wait_ns: int = 0) -> None:
        """One voter said no; a quorum may still say yes, else try again later.

        Where a timer refused, the next try comes right after it has run out; not later than in
        `BACKOFF_MAX_NS`, since a release or a fence may end the grant before.
        """
        delay = self.backoff.get(key, (0, 0))[1]
        delay = min(max(2 * delay, self.ctx.config.retry_ns), BACKOFF_MAX_NS)
        jitter = self.ctx.rng.randrange(delay)
        wait = min(wait_ns, BACKOFF_MAX_NS) + jitter // 8 if wait_ns else delay // 2 + jitter
        self.backoff[key] = (self.ctx.now.mono_ns + wait, delay)
        self.ctx.timers.set_earlier("placement", self.ctx.now.mono_ns + wait)

    def on_accepted(self, sender: str, message: ShardsAccepted) -> list[Shard]:
        """Voters accepted; shards that a quorum has granted become ours, to be read first."""
        campaign = self.running.get(message.ballot.counter)
        if (
            campaign is None
            or campaign.ballot != message.ballot
            or not self._ours(message.config_no)
        ):
            return []
        won: list[Shard] = []
        for key, refused, promised in message.results:
            if key not in campaign.grants:
                continue
            if refused:
                self.counter = max(self.counter, promised.counter)
                self._refused(key)
                continue
            accepted = campaign.accepted[key]
            register.r2_count(accepted, sender, None, self.ctx.configuration.voters)
            if configuration.r2_granted(self.ctx.configuration, accepted):
                shard = self._won(key, campaign.grants[key])
                campaign.shards.pop(key, None)
                campaign.grants.pop(key)
                if shard is not None:
                    won.append(shard)
        if won:
            self.ask_reads(won)
        self._forget_if_done(campaign)
        return won

    def _won(self, key: Key, grant: Grant) -> Shard | None:
        pool = self.book.by_no.get(key[0])
        shard = self.book.shard(key)
        if shard is None or pool is None or pool.retired_us is not None:
            return None
        if shard.owner is not None and shard.owner.grant.epoch >= grant.epoch:
            return None
        if shard.owner is not None:
            pool.drop_free_maps(shard)
        owner = OwnerShard(grant)
        owner.hold_until = holding.r4_first_hold(self.ctx.clocks.fast, grant.horizon_ns)
        shard.owner = owner
        shard.known_owner = self.ctx.me
        self.ctx.touch(shard)
        self.backoff.pop(key, None)
        self.persist_owner(shard, owner)
        return shard

    def _forget_if_done(self, campaign: _Campaign) -> None:
        if not campaign.shards:
            self.running.pop(campaign.ballot.counter, None)

    def _ours(self, config_no: int) -> bool:
        """Answers of another configuration do not count (R21)."""
        return config_no == self.ctx.configuration.number

    def tick(self) -> None:
        """Give up campaigns that got no quorum in time; ask again for reads that are missing."""
        now = self.ctx.now.mono_ns
        for counter in [c for c, campaign in self.running.items() if campaign.due_ns <= now]:
            campaign = self.running.pop(counter)
            for key in campaign.shards:
                self._refused(key)
            self._abandon(campaign)
        for campaign in self.running.values():
            if campaign.grants:
                self._send_accept(campaign, list(campaign.grants.items()))
        reading = [
            shard
            for pool in self.book.by_no.values()
            for shard in pool.shards
            if shard.owner is not None and shard.owner.state == READING
        ]
        if reading:
            self.ask_reads(reading)
        if self.running or reading:
            self.ctx.timers.set_earlier("campaigns", now + self.ctx.config.retry_ns)

    def reset(self) -> None:
        """The voters changed: answers so far are of the old configuration (R21)."""
        running, self.running = self.running, {}
        for campaign in running.values():
            self._abandon(campaign)
        self.reads.clear()
        self.backoff.clear()
        self.ctx.timers.set_earlier("campaigns", self.ctx.now.mono_ns)
        self.ctx.timers.set_earlier("placement", self.ctx.now.mono_ns)

    # --- read and base (R8 c) ----------------------------------------------------------------

    def ask_reads(self, shards: list[Shard]) -> None:
        """Ask all voters for the records of shards that we have been granted."""
        by_ballot: dict[Ballot, list[Shard]] = {}
        for shard in shards:
            assert shard.owner is not None
            by_ballot.setdefault(shard.owner.grant.epoch, []).append(shard)
        number = self.ctx.configuration.number
        for ballot, group in by_ballot.items():
            for first in range(0, len(group), SHARDS_PER_MESSAGE):
                wanted = tuple(
                    (shard.key, shard.floor, shard.fingerprint)
                    for shard in group[first : first + SHARDS_PER_MESSAGE]
                )
                for voter in self.ctx.configuration.voters:
                    self.ctx.send(voter, ReadShards(number, ballot, wanted))
        self.ctx.timers.set_earlier("campaigns", self.ctx.now.mono_ns + self.ctx.config.retry_ns)

    def on_read(self, sender: str, message: ShardsRead) -> None:
        """Voters tell their records; with a quorum of them the base can be written."""
        if not self._ours(message.config_no):
            return
        for read in message.reads:
            shard = self.book.shard(read.shard)
            if read.refused or shard is None or shard.owner is None:
                continue
            owner = shard.owner
            if owner.state != READING or owner.grant.epoch != message.ballot:
                continue
            reads = self.reads.setdefault(read.shard, {})
            register.r2_count(reads, sender, read, self.ctx.configuration.voters)
            if configuration.r8c_read(self.ctx.configuration, reads):
                del self.reads[read.shard]
                self._write_base(self.book.by_no[read.shard[0]], shard, owner, reads)

    def _write_base(
        self, pool: PoolState, shard: Shard, owner: OwnerShard, reads: dict[str, ShardRead]
    ) -> None:
        """Union of what a quorum holds, written again under our epoch."""
        ctx = self.ctx
        clocks = ctx.clocks
        floor = max([shard.floor, *(read.floor for read in reads.values())])
        local = list(shard.rows)
        parts: list[list[Row]] = [local]
        known: list[tuple[tuple[int, int], set[int]]] = []
        for voter, read in reads.items():
            rows = [
                records.from_wire(wire, clocks.told, clocks.slow, ctx.config.drift_ppm)
                for wire in read.rows
            ]
            parts.append(rows)
            units = {row.index for row in rows}
            if read.same:
                mine = voter == ctx.me
                units.update(row.index for row in local if mine or row.fingerprint())
            known.append((read.have, units))
            owner.confirm = max(owner.confirm, read.last_commit)
        parts = [[row for row in rows if not records.r8c_over(row, known)] for rows in parts]
        union = records.r8c_union(parts, floor)
        self._check_seal(shard, union, reads)
        for row in list(shard.rows):
            kept = union.get(row.index)
            if kept is None:
                pool.forget(shard, row)
        for row in union.values():
            if shard.rows.get(row.index) is not row:
                pool.merge(shard, row)
        for row in union.values():
            if row.length == HELD and holding.r15_doubtful(owner, row):
                row.flags |= FLAG_DOUBTFUL
            else:
                row.flags &= ~FLAG_DOUBTFUL
        self._rewrite(pool, shard, owner, union)

    def _rewrite(
        self, pool: PoolState, shard: Shard, owner: OwnerShard, union: dict[int, Row]
    ) -> None:
        ctx = self.ctx
        epoch = owner.grant.epoch.counter
        base = records.r8c_base(union, epoch, ctx.clocks.slow)
        carried = {row.index for row in base}
        for row in union.values():
            if row.index not in carried:
                pool.forget(shard, row)
        shard.digest = None
        owner.seq = owner.base_end = len(base)
        owner.tail = {row.seq: row.index for row in base}
        owner.state = BASING
        shard.have_epoch, shard.have_seq = epoch, owner.seq
        ctx.touch(shard)
        if base:
            ctx.persist(RowsWritten(pool.pool_no, tuple(base)))
        self.persist_owner(shard, owner)
        self.based.append(shard)

    def _check_seal(self, shard: Shard, union: dict[int, Row], reads: dict[str, ShardRead]) -> None:
        """R12: a drained owner sealed what it left; we must have read exactly that."""
        seals = [read.seal for read in reads.values() if read.seal is not None]
        if not seals:
            return
        seal = max(seals, key=lambda one: one.epoch)
        newest = max((row.epoch for row in union.values()), default=0)
        if newest > seal.epoch.counter:
            return
        if not records.r12_digest_matches(seal, union):
            self.ctx.audit(
                "SEAL_MISMATCH",
                "nexus",
                "takeover",
                f"shards/{shard.pool_no}/{shard.index}",
                epoch=seal.epoch.counter,
            )

    def persist_owner(self, shard: Shard, owner: OwnerShard) -> None:
        """Write the owner's part of a grant."""
        self.ctx.persist(
            OwnerWritten(
                shard.pool_no,
                shard.index,
                owner.grant.epoch,
                owner.grant,
                owner.state,
                owner.base_end,
                owner.confirm,
                owner.seal,
            )
        )
