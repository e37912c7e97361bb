"""The order of decisions: one single-decree register per slot, on the voters.

A proposer prepares and accepts like a shard's candidate, but a value that is seen is proposed
again, so a slot decides once.  Everybody executes slots in order.  A lone voter goes the same way
through messages to itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from nexus.core.context import Context
from nexus.core.decided import DeviceOp, Op, Proposal, Value
from nexus.core.entries import SlotWritten
from nexus.core.messages import (
    DecideAccept,
    DecideAccepted,
    Decided,
    DecidePrepare,
    DecidePromise,
    DecisionsWanted,
)
from nexus.devices.requests import ImportDevices
from nexus.errors import NexusError
from nexus.ownership import configuration, register
from nexus.ownership.values import ZERO, Ballot

BATCH_MAX = 256
"""Operations that one slot decides at most."""
SLOT_RECORDS_MAX = 10_000
"""Records of a slot's operations (an import has a row each) unless it is one operation alone."""
QUEUE_MAX = 10_000
"""Own operations waiting; more are refused."""
KEPT_SLOTS = 4_096
"""Decided values kept for members that are behind."""
CATCH_UP_MAX = 256
"""Slots told in one message."""

Answer = Callable[[Any], None]


class SlotVote:
    """A voter's part of one slot."""

    __slots__ = ("accepted", "accepted_ballot", "promised")

    def __init__(self) -> None:
        self.promised: Ballot = ZERO
        self.accepted_ballot: Ballot = ZERO
        self.accepted: Value | None = None


class Decisions:
    """This node as proposer, voter and learner of the decided operations."""

    def __init__(self, ctx: Context, execute: Callable[[int, Proposal], Any]) -> None:
        self.ctx = ctx
        self.execute = execute
        self.slot = 0
        """Highest slot executed; slots count from 1."""
        self.votes: dict[int, SlotVote] = {}
        self.values: dict[int, Value] = {}
        self.queue: deque[tuple[Proposal, Answer]] = deque()
        self.waiting: dict[int, tuple[Answer, int]] = {}
        """Own operations proposed or queued: number -> (answer, monotonic instant to give up)."""
        self.number = 0
        self.counter = 0
        self.ballot: Ballot | None = None
        self.value: Value = ()
        self.promises: dict[str, DecidePromise] = {}
        self.accepts: dict[str, None] = {}
        self.accepting = False

    # --- proposing ---------------------------------------------------------------------------

    def propose(self, op: Op, cause_id: str, actor: str, answer: Answer) -> None:
        """Have an operation decided; ``answer`` gets its outcome, or a `NexusError`."""
        ctx = self.ctx
        if len(self.waiting) >= QUEUE_MAX:
            answer(NexusError("rate_limited", "too many changes are waiting", retry_after_s=1))
            return
        self.number += 1
        session = ctx.config.session.counter
        proposal = Proposal(ctx.me, session, self.number, cause_id, actor, op)
        due = ctx.now.mono_ns + ctx.config.quorum_wait_ns
        self.waiting[self.number] = (answer, due)
        self.queue.append((proposal, answer))
        ctx.timers.set_earlier("decisions", due)
        if self.ballot is None:
            self._begin()

    def _begin(self) -> None:
        """Prepare the next slot with a ballot above all seen."""
        ctx = self.ctx
        self.counter += 1
        session = ctx.config.session.counter
        self.ballot = Ballot(self.counter, ctx.me, ctx.config.incarnation, session)
        self.promises = {}
        self.accepts = {}
        self.accepting = False
        message = DecidePrepare(ctx.configuration.number, self.slot + 1, self.ballot)
        for voter in ctx.configuration.voters:
            ctx.send(voter, message)
        retry = ctx.config.retry_ns + ctx.rng.randrange(ctx.config.retry_ns)
        ctx.timers.set_earlier("decisions", ctx.now.mono_ns + retry)

    def on_promise(self, sender: str, message: DecidePromise) -> None:
        """A quorum promised: propose the value seen under the highest ballot, else our own."""
        ctx = self.ctx
        self.counter = max(self.counter, message.promised.counter)
        if message.decided_upto > self.slot:
            ctx.send(sender, DecisionsWanted(self.slot + 1))
        if (
            message.config_no != ctx.configuration.number
            or message.ballot != self.ballot
            or message.slot != self.slot + 1
            or not message.ok
            or self.accepting
        ):
            return
        self.promises[sender] = message
        if not configuration.r21b_quorum(ctx.configuration, register.r2_distinct(self.promises)):
            return
        self.accepting = True
        seen = max(self.promises.values(), key=lambda promise: promise.accepted_ballot)
        if seen.accepted_ballot > ZERO:
            self.value = tuple(seen.accepted or ())
        else:
            self.value = self._next_value()
        accept = DecideAccept(message.config_no, message.slot, message.ballot, self.value)
        for voter in ctx.configuration.voters:
            ctx.send(voter, accept)

    def _next_value(self) -> Value:
        """Own operations that wait, the first of them at least, as many as one slot may have."""
        chosen: list[Proposal] = []
        records = 0
        for proposal, _ in self.queue:
            records += records_of(proposal)
            if chosen and (len(chosen) >= BATCH_MAX or records > SLOT_RECORDS_MAX):
                break
            chosen.append(proposal)
        return tuple(chosen)

    def on_accepted(self, sender: str, message: DecideAccepted) -> None:
        """A quorum accepted: the slot is decided."""
        ctx = self.ctx
        self.counter = max(self.counter, message.promised.counter)
        if (
            message.config_no != ctx.configuration.number
            or message.ballot != self.ballot
            or message.slot != self.slot + 1
            or not message.ok
        ):
            return
        self.accepts[sender] = None
        if configuration.r21b_quorum(ctx.configuration, register.r2_distinct(self.accepts)):
            self.learn(message.slot, self.value)
            if not ctx.alone:
                ctx.broadcast(Decided(message.slot, (self.value,)))

    def tick(self) -> None:
        """Give up what waited too long; try again what is still wanted."""
        now = self.ctx.now.mono_ns
        late = [number for number, (_, due) in self.waiting.items() if due <= now]
        for number in late:
            answer, _ = self.waiting.pop(number)
            answer(
                NexusError(
                    "quorum_unavailable",
                    "no majority of voters answered in time",
                    definite=False,
                    retry_after_s=2,
                )
            )
        self.queue = deque(item for item in self.queue if item[0].number in self.waiting)
        if self.waiting:
            self._begin()
            self.ctx.timers.set_earlier("decisions", min(due for _, due in self.waiting.values()))
        else:
            self.ballot = None

    def reset(self) -> None:
        """The voters changed: begin again in the new configuration."""
        self.ballot = None
        if self.waiting:
            self._begin()

    def fail_all(self, error: NexusError) -> None:
        """The disk failed: nothing will be decided here any more."""
        for answer, _ in self.waiting.values():
            answer(error)
        self.waiting.clear()
        self.queue.clear()
        self.ballot = None

    def restore_votes(self, votes: dict[int, tuple[Ballot, Ballot, Any]]) -> None:
        """This voter's part of undecided slots, from its log."""
        for slot, (promised, accepted_ballot, accepted) in sorted(votes.items()):
            if slot > self.slot:
                vote = self.votes.setdefault(slot, SlotVote())
                vote.promised = max(vote.promised, promised)
                if accepted_ballot >= vote.accepted_ballot:
                    vote.accepted_ballot = accepted_ballot
                    vote.accepted = None if accepted is None else tuple(accepted)

    # --- voting ------------------------------------------------------------------------------

    def on_prepare(self, sender: str, message: DecidePrepare) -> None:
        """Promise a ballot for a slot, telling what was accepted in it."""
        vote = self._vote(message.slot)
        if vote is None:
            self._tell_decided(sender, message.slot)
            return
        ok = message.ballot >= vote.promised
        if ok and message.ballot > vote.promised:
            vote.promised = message.ballot
            self._persist(message.slot, vote)
        self.ctx.send(
            sender,
            DecidePromise(
                message.config_no,
                message.slot,
                message.ballot,
                ok,
                vote.promised,
                vote.accepted_ballot,
                vote.accepted,
                self.slot,
            ),
        )

    def on_accept(self, sender: str, message: DecideAccept) -> None:
        """Accept a value for a slot unless a higher ballot was promised."""
        vote = self._vote(message.slot)
        if vote is None:
            self._tell_decided(sender, message.slot)
            return
        ok = message.ballot >= vote.promised
        if ok:
            vote.promised = vote.accepted_ballot = message.ballot
            vote.accepted = tuple(message.value)
            self._persist(message.slot, vote)
        self.ctx.send(
            sender,
            DecideAccepted(message.config_no, message.slot, message.ballot, ok, vote.promised),
        )

    def _vote(self, slot: int) -> SlotVote | None:
        """This voter's part of a slot; None for one that is decided already."""
        if slot <= self.slot:
            return None
        return self.votes.setdefault(slot, SlotVote())

    def _persist(self, slot: int, vote: SlotVote) -> None:
        self.ctx.persist(
            SlotWritten(slot, vote.promised, vote.accepted_ballot, vote.accepted, decided=False)
        )

    # --- learning ----------------------------------------------------------------------------

    def learn(self, slot: int, value: Value) -> None:
        """A slot is decided: execute it if it is the next, and answer what is ours."""
        if slot != self.slot + 1:
            return
        self.slot = slot
        self.votes.pop(slot, None)
        self.values[slot] = value
        self.values.pop(slot - KEPT_SLOTS, None)
        self.ctx.persist(SlotWritten(slot, ZERO, ZERO, value, decided=True))
        for place, proposal in enumerate(value):
            outcome = self.execute(slot * BATCH_MAX + place, proposal)
            if proposal.node == self.ctx.me and (
                proposal.session == self.ctx.config.session.counter
            ):
                waiting = self.waiting.pop(proposal.number, None)
                if waiting is not None:
                    self.ctx.when_durable(_answer, (waiting[0], outcome))
        self.queue = deque(item for item in self.queue if item[0].number in self.waiting)
        self.ballot = None
        if self.waiting:
            self._begin()

    def on_decided(self, message: Decided) -> None:
        """Slots that somebody knows to be decided."""
        for offset, value in enumerate(message.values):
            self.learn(message.first_slot + offset, tuple(value))

    def on_wanted(self, sender: str, message: DecisionsWanted) -> bool:
        """Tell decided slots; False if they are not kept any more and the catalogue must go."""
        if message.first_slot > self.slot:
            return True
        if message.first_slot not in self.values:
            return False
        self._tell_decided(sender, message.first_slot)
        return True

    def _tell_decided(self, to: str, first: int) -> None:
        last = min(self.slot, first + CATCH_UP_MAX - 1)
        values = [self.values[slot] for slot in range(first, last + 1) if slot in self.values]
        if len(values) == last - first + 1:
            records = sum(records_of(proposal) for value in values for proposal in value)
            self.ctx.send_long(to, Decided(first, tuple(values)), records)


def records_of(proposal: Proposal) -> int:
    """Records that an operation carries: one, or the rows of a file."""
    op = proposal.op
    if isinstance(op, DeviceOp) and isinstance(op.request, ImportDevices):
        return max(1, len(op.request.rows))
    return 1


def _answer(argument: tuple[Answer, Any]) -> None:
    answer, outcome = argument
    answer(outcome)
