"""Changing who votes (R21): joint configurations, copying, finishing and aborting.

Number n+1 is decided by a single-decree register on the voters of n.  A stable configuration can
only be followed by a joint one, a joint one only by *finish* (B, B) or *abort* (A, A).  Every voter
that knows of a joint phase drives it on; none is needed in particular.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nexus.core.book import PoolBook
from nexus.core.context import Context
from nexus.core.decisions import Decisions
from nexus.core.entries import ConfigWritten, RowsWritten
from nexus.core.lives import Lives
from nexus.core.messages import (
    ConfigAccept,
    ConfigAccepted,
    ConfigPrepare,
    ConfigPromise,
    ConfigTold,
    LifeNoted,
    LifeTold,
    StateGiven,
    StateWanted,
)
from nexus.core.voting import merge_rows, raise_floor, voter_entry, wire_rows
from nexus.errors import NexusError, validation
from nexus.ownership import configuration as rules
from nexus.ownership import register
from nexus.ownership.configuration import SIZES, Configuration
from nexus.ownership.shard import Shard
from nexus.ownership.values import ZERO, Ballot

SHARDS_PER_PART = 64
"""Shards in one message of a voter's state."""
ABORT_AFTER = 20
"""Tries after which a joint phase whose joiners stay away is aborted by its old voters."""


class Voters:
    """This node's part in voter changes."""

    def __init__(self, ctx: Context, book: PoolBook, decisions: Decisions) -> None:
        self.ctx = ctx
        self.book = book
        self.decisions = decisions
        self.lives = Lives(ctx)
        self.on_change: Callable[[], None] = lambda: None
        self.promised: Ballot = ZERO
        self.accepted_ballot: Ballot = ZERO
        self.accepted: Configuration | None = None
        self.counter = 0
        self.ballot: Ballot | None = None
        self.wanted: Configuration | None = None
        self.asked: tuple[str, str] = ("", "")
        """Cause and actor of the change that was asked for here."""
        self.follows: Configuration | None = None
        """A joint phase that was asked for here is under way; its end is audited."""
        self.value: Configuration | None = None
        self.promises: dict[str, ConfigPromise] = {}
        self.accepts: dict[str, None] = {}
        self.parts: dict[str, dict[int, None]] = {}
        self.merged: dict[str, None] = {}
        """Voters all of whose parts are merged (R21 c)."""
        self.tries = 0
        self.abort_wanted = False
        self.complete_before = True
        """This voter was complete in the stable configuration before a joint phase (R21 c)."""

    # --- asking for a change -----------------------------------------------------------------

    def change(
        self, voters: tuple[str, ...], cause_id: str = "", actor: str = "nexus"
    ) -> Configuration:
        """Begin a joint phase towards these voters; raises if that step is not allowed."""
        current = self.ctx.configuration
        target = tuple(sorted(set(voters)))
        if current.joint or self.wanted is not None:
            raise NexusError("quorum_unavailable", "a voter change is under way", retry_after_s=5)
        if target == current.old:
            raise validation("voters", "are the present ones")
        if len(target) not in SIZES:
            raise validation("voters", f"must be 1, 3 or 5, got {len(target)}")
        if abs(SIZES.index(len(target)) - SIZES.index(len(current.old))) > 1:
            raise validation("voters", "the number of voters changes by one step at a time")
        self.wanted = Configuration(current.number + 1, current.old, target)
        self.asked = (cause_id, actor)
        self.tries = 0
        self._audit("VOTERS_CHANGE_BEGUN", self.wanted)
        self._propose()
        return self.wanted

    def _audit(self, action: str, config: Configuration) -> None:
        """Told where the change was asked for."""
        cause_id, actor = self.asked
        old, new = ",".join(config.old), ",".join(config.new)
        self.ctx.audit(action, actor, cause_id, "voters", number=config.number, old=old, new=new)

    def _propose(self) -> None:
        """Prepare number n+1 on the voters of n."""
        ctx = self.ctx
        self.counter = max(self.counter, self.promised.counter) + 1
        self.ballot = Ballot(
            self.counter, ctx.me, ctx.config.incarnation, ctx.config.session.counter
        )
        self.promises = {}
        self.accepts = {}
        self.value = None
        for voter in ctx.configuration.voters:
            ctx.send(voter, ConfigPrepare(ctx.configuration.number, self.ballot))
        retry = ctx.config.retry_ns + ctx.rng.randrange(ctx.config.retry_ns)
        ctx.timers.set("voters", ctx.now.mono_ns + retry)

    def receive(self, sender: str, message: Any) -> None:
        """Messages about configurations."""
        match message:
            case ConfigTold():
                if message.configuration.number < self.ctx.configuration.number:
                    self.ctx.send(sender, ConfigTold(self.ctx.configuration))
                self.enter(message.configuration)
            case ConfigPrepare():
                self._on_prepare(sender, message)
            case ConfigPromise():
                self._on_promise(sender, message)
            case ConfigAccept():
                self._on_accept(sender, message)
            case ConfigAccepted():
                self._on_accepted(sender, message)
            case StateWanted():
                self._on_state_wanted(sender, message)
            case StateGiven():
                self._on_state(sender, message)
            case LifeTold():
                if self._current(sender, message.config_no):
                    if self.lives.on_told(sender, message):
                        self.persist()
                    self.lives.answer(sender, message)
            case LifeNoted():
                if self._current(sender, message.config_no):
                    self.lives.on_noted(sender, message)
                    self._complete_if_able()

    # --- the register of number n + 1 --------------------------------------------------------

    def _current(self, sender: str, config_no: int) -> bool:
        ctx = self.ctx
        if config_no != ctx.configuration.number:
            # To one that is behind this tells ours, one that is ahead answers with its own.
            ctx.send(sender, ConfigTold(ctx.configuration))
        return config_no == ctx.configuration.number

    def _may_answer(self) -> bool:
        """A voter, and on the disk that its id belongs to (R21 d)."""
        return self.ctx.me in self.ctx.configuration.voters and self.lives.admitted

    def _on_prepare(self, sender: str, message: ConfigPrepare) -> None:
        ctx = self.ctx
        if not self._current(sender, message.config_no) or not self._may_answer():
            return
        ok = message.ballot >= self.promised
        if ok:
            self.promised = message.ballot
            self.persist()
        ctx.send(
            sender,
            ConfigPromise(
                message.config_no,
                message.ballot,
                ok,
                self.promised,
                self.accepted_ballot,
                self.accepted,
                ctx.complete,
            ),
        )

    def _on_promise(self, sender: str, message: ConfigPromise) -> None:
        ctx = self.ctx
        self.counter = max(self.counter, message.promised.counter)
        if (
            not self._current(sender, message.config_no)
            or message.ballot != self.ballot
            or not message.ok
            or self.value is not None
        ):
            return
        self.promises[sender] = message
        current = ctx.configuration
        if not rules.r5_majority(register.r2_distinct(self.promises), current.old):
            return
        value = self._choose(current)
        if value is None:
            return
        self.value = value
        for voter in current.voters:
            ctx.send(voter, ConfigAccept(message.config_no, message.ballot, value))

    def _choose(self, current: Configuration) -> Configuration | None:
        """What may follow: an accepted value that is seen, else what we want."""
        seen = max(self.promises.values(), key=lambda promise: promise.accepted_ballot)
        if seen.accepted is not None:
            return seen.accepted
        if not current.joint:
            return self.wanted
        number = current.number + 1
        complete = [voter for voter, promise in self.promises.items() if promise.complete]
        if rules.r21a_may_finish(current, complete):
            return Configuration(number, current.new, current.new)
        if self.abort_wanted:
            return Configuration(number, current.old, current.old)
        return None

    def _on_accept(self, sender: str, message: ConfigAccept) -> None:
        ctx = self.ctx
        current = ctx.configuration
        if not self._current(sender, message.config_no) or not self._may_answer():
            return
        ok = message.ballot >= self.promised and rules.r21a_may_accept(
            current, message.value, ctx.me, complete=ctx.complete
        )
        if ok:
            self.promised = self.accepted_ballot = message.ballot
            self.accepted = message.value
            self.persist()
        ctx.send(sender, ConfigAccepted(message.config_no, message.ballot, ok, self.promised))

    def _on_accepted(self, sender: str, message: ConfigAccepted) -> None:
        self.counter = max(self.counter, message.promised.counter)
        if (
            not self._current(sender, message.config_no)
            or message.ballot != self.ballot
            or not message.ok
            or self.value is None
        ):
            return
        self.accepts[sender] = None
        if rules.r21a_decided(
            self.ctx.configuration, self.value, register.r2_distinct(self.accepts)
        ):
            self.enter(self.value)

    # --- entering a configuration ------------------------------------------------------------

    def enter(self, new: Configuration) -> None:
        """A newer configuration is known: be in it from now on, and say so."""
        ctx = self.ctx
        old = ctx.configuration
        if new.number <= old.number:
            return
        ctx.configuration = new
        was, before = ctx.complete, self.complete_before
        self.complete_before = rules.r21c_complete_before(old, new, was_complete=was)
        ctx.complete = rules.r21c_complete_on_entry(
            old, new, ctx.me, was_complete=was, complete_before=before
        )
        self.promised = self.accepted_ballot = ZERO
        self.accepted = None
        self.ballot = self.value = None
        self.parts = {}
        self.merged = {}
        self.lives.noted = {}
        self.tries = 0
        self.abort_wanted = False
        if self.wanted is not None and new.number >= self.wanted.number:
            self.follows = new if new == self.wanted else None
            self.wanted = None
        elif self.follows is not None and not new.joint:
            kept = new.new != self.follows.new
            action = "VOTERS_CHANGE_ABORTED" if kept else "VOTERS_CHANGED"
            self.follows = None
            ctx.when_durable(lambda _: self._audit(action, new), None)
        self.persist()
        told = sorted({*old.voters, *new.voters} - {ctx.me})
        for member in told:
            ctx.send(member, ConfigTold(new))
        self.on_change()
        self.start()

    def start(self) -> None:
        """Drive what is under way: a joint phase, or our own copying."""
        if self.ctx.configuration.joint or not self.ctx.complete or self.wanted is not None:
            self.ctx.timers.set_earlier("voters", self.ctx.now.mono_ns)

    def tick(self) -> None:
        """Copy if we are not complete; try to finish (or, after long, to abort) a joint phase."""
        ctx = self.ctx
        current = ctx.configuration
        if ctx.me not in current.voters or self.lives.lost:
            return
        if not ctx.complete:
            self.lives.tell()
            if not self.lives.founding:
                for voter in current.old:
                    ctx.send(voter, StateWanted(current.number))
        if current.joint or self.wanted is not None:
            self.tries += 1
            if self.tries > ABORT_AFTER and ctx.me in current.old:
                self.abort_wanted = current.joint
                self.wanted = None
            if current.joint or self.wanted is not None:
                self._propose()
        elif not ctx.complete:
            ctx.timers.set("voters", ctx.now.mono_ns + ctx.config.retry_ns)

    # --- copying (R21 c) ---------------------------------------------------------------------

    def _on_state_wanted(self, sender: str, message: StateWanted) -> None:
        """Give our whole state, inside this configuration, in parts."""
        ctx = self.ctx
        current = ctx.configuration
        if not self._current(sender, message.config_no) or ctx.me not in current.old:
            return
        if not current.joint and not ctx.complete:
            return
        pools = [
            (pool, shard)
            for pool in sorted(self.book.by_no.values(), key=lambda pool: pool.pool_no)
            for shard in pool.shards
        ]
        parts = max(1, -(-len(pools) // SHARDS_PER_PART))
        votes = tuple(
            (slot, vote.promised, vote.accepted_ballot, vote.accepted)
            for slot, vote in sorted(self.decisions.votes.items())
        )
        for part in range(parts):
            chosen = pools[part * SHARDS_PER_PART : (part + 1) * SHARDS_PER_PART]
            ctx.send_long(
                sender,
                StateGiven(
                    current.number,
                    ctx.complete,
                    part,
                    parts,
                    self.decisions.slot,
                    votes,
                    tuple(_voter_state(shard) for _, shard in chosen),
                    tuple(
                        (shard.key, tuple(wire_rows(ctx, list(shard.rows)))) for _, shard in chosen
                    ),
                    self.lives.entry(),
                ),
                len(chosen) + sum(shard.rows.count for _, shard in chosen),
            )

    def _on_state(self, sender: str, message: StateGiven) -> None:
        """Merge a voter's state; with a majority of A merged, and timers restarted, complete."""
        ctx = self.ctx
        if not self._current(sender, message.config_no) or ctx.complete or self.lives.lost:
            return
        if message.slot > self.decisions.slot:
            return  # its pools are not known here yet: asked again at the next tick
        for state in message.voters:
            self._merge_voter(state)
        for key, rows in message.rows:
            pool = self.book.by_no.get(key[0])
            shard = self.book.shard(key)
            if pool is not None and shard is not None:
                changed = merge_rows(ctx, pool, shard, rows)
                if changed:
                    ctx.persist(RowsWritten(pool.pool_no, tuple(changed)))
        self.decisions.restore_votes(
            {slot: (promised, ballot, value) for slot, promised, ballot, value in message.votes}
        )
        self.lives.merge(message.lives)
        parts = self.parts.setdefault(sender, {})
        parts[message.part] = None
        if len(parts) >= message.parts:
            self.merged[sender] = None
        self._complete_if_able()

    def _complete_if_able(self) -> None:
        """Enough states are merged (R21 c), and enough voters know this disk (R21 d)."""
        ctx = self.ctx
        lives = self.lives
        if ctx.complete or lives.lost or ctx.me not in ctx.configuration.voters:
            return
        if not lives.founding:
            merged = list(self.merged)
            if ctx.me in ctx.configuration.old and ctx.configuration.joint:
                merged.append(ctx.me)
            if not rules.r21c_may_complete(ctx.configuration, merged):
                return
        if lives.may_vote():
            self._complete()

    def _merge_voter(self, state: Any) -> None:
        (
            key,
            promised,
            grant,
            mark,
            seal,
            session,
            quarantine,
            acked,
            commit,
            last,
            held,
            floor,
        ) = state
        pool = self.book.by_no.get(key[0])
        shard = self.book.shard(key)
        if shard is None or pool is None:
            return
        voter = shard.voter
        voter.promised = max(voter.promised, promised)
        if grant is not None and grant.epoch >= voter.epoch:
            newer = grant.epoch > voter.epoch
            voter.grant = grant
            voter.mark = mark if newer else voter.mark or mark
            voter.seal = seal if newer else voter.seal or seal
            voter.session = session if newer else max(voter.session, session)
            voter.quarantine = quarantine if newer else voter.quarantine or quarantine
            voter.acked_seq = acked if newer else max(voter.acked_seq, acked)
            voter.commit_seq = commit if newer else max(voter.commit_seq, commit)
            shard.known_owner = grant.owner
            self.ctx.touch(shard)
        voter.last_commit = max(voter.last_commit, last)
        voter.last_held = max(voter.last_held, held)
        raise_floor(self.ctx, pool, shard, floor)

    def _complete(self) -> None:
        """Everything a majority of A knew is merged: start timers as after a restart (R6)."""
        ctx = self.ctx
        for pool in self.book.by_no.values():
            for shard in pool.shards:
                register.r6_restart(shard.voter, ctx.clocks.slow, ctx.config.drift_ppm)
                if shard.voter.promised > ZERO:
                    ctx.persist(voter_entry(shard))
        founded = self.lives.founding
        ctx.complete = self.lives.admitted = True
        self.lives.known[ctx.me] = ctx.config.incarnation
        self.persist()
        if founded:
            self.on_change()
        self.start()

    # --- keeping -----------------------------------------------------------------------------

    def entry(self) -> ConfigWritten:
        """This node's configuration as the log keeps it."""
        return ConfigWritten(
            self.ctx.configuration,
            self.promised,
            self.accepted_ballot,
            self.accepted,
            self.ctx.complete,
            self.complete_before,
            self.lives.admitted,
            self.lives.entry(),
        )

    def persist(self) -> None:
        """Write it."""
        self.ctx.persist(self.entry())

    def _found(self) -> None:
        """Nothing of a configuration is on this disk: a lone voter founds, others have to ask."""
        ctx = self.ctx
        self.lives.admitted = ctx.lone
        if ctx.me in ctx.configuration.voters:
            ctx.complete = ctx.lone

    def restore(self, entry: ConfigWritten | None) -> None:
        """Take it from the log, if it has one."""
        if entry is None:
            self._found()
            return
        self.lives.admitted = entry.admitted
        self.lives.merge(entry.lives)
        self.ctx.configuration = entry.configuration
        self.ctx.complete = entry.complete
        self.complete_before = entry.complete_before
        self.promised = entry.promised
        self.accepted_ballot = entry.accepted_ballot
        self.accepted = entry.accepted


def _voter_state(shard: Shard) -> Any:
    voter = shard.voter
    return (
        shard.key,
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
        shard.floor,
    )
