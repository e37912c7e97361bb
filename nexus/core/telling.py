"""From a record on disk to an answer: the hold asked again, the quorum round, the limit (R8, R9).

Every answer that a client may install or rely on passes here as a `Pending`: first it waits for
the disk, then, where R8 d asks for it, for a round of the voters begun after the question.  A lone
voter's round is a function call.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.context import Context
from nexus.core.effects import Audit, Reply, Watch
from nexus.core.history import History
from nexus.core.shaping import allocation_view
from nexus.errors import NexusError
from nexus.model.views import AllocationView, Done
from nexus.ownership import configuration, holding, register
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import HELD, OwnerShard, Row, Shard

ALLOCATE, RENEW, GET, RELEASE = "allocate", "renew", "get", "release"
DONE = Done()


class Pending(msgspec.Struct, eq=False, gc=False):
    """One answer on its way; ``epoch`` and ``seq`` are of the record that it rests on.

    Nothing that it refers to refers to it, so that it needs no garbage collection.
    """

    verb: str
    reply_to: int
    pool: PoolState
    shard: Shard
    row: Row
    epoch: int
    seq: int
    cause_id: str
    actor: str
    created: bool = False
    warnings: tuple[str, ...] = ()
    provisional: bool = False
    origin: Any = None
    """Of a call that another member passed on: whom to answer."""
    collector: Any = None
    """A batch that gathers its answers; ``place`` is the item's position."""
    place: int = 0
    begun_round: int = 0
    due_ns: int = 0


class Telling:
    """Answers that wait for the disk or for a round."""

    def __init__(self, ctx: Context, history: History) -> None:
        self.ctx = ctx
        self.history = history
        self.round_no = 0
        """Number of the record round sent last."""
        self.questions: dict[tuple[int, int], list[Pending]] = {}
        self.question_count = 0
        self.pass_back: Any = None
        """Set by the node: sends an answer back to the member that passed the call on."""
        self.undo: Any = None
        """Set by the node: closes the record of an answer that no quorum confirmed."""

    # --- the way of an answer ----------------------------------------------------------------

    def start(self, pending: Pending) -> None:
        """An answer that rests on a record persisted in this event (or long ago)."""
        self.ctx.when_durable(self.on_durable, pending)

    def on_durable(self, pending: Pending) -> None:
        """The record is on disk: ask for the hold again, then for the round."""
        ctx = self.ctx
        shard = pending.shard
        owner = shard.owner
        if pending.verb == RELEASE:
            row = pending.row
            announce_end(
                ctx,
                pending.pool,
                row.subscriber,
                row.index,
                "ALLOCATION_DELETED",
                pending.actor,
                pending.cause_id,
            )
        if owner is None or (epoch := owner.grant.epoch).counter != pending.epoch:
            self._refuse(pending, "owner_unreachable", "the shard moved while this was written")
            return
        if pending.seq > owner.durable_seq:
            owner.durable_seq = pending.seq
        if not holding.r9_still_holds(owner, ctx.clocks.fast):
            self._refuse(pending, "owner_unreachable", "the shard's hold ran out meanwhile")
            return
        if ctx.lone:
            voter = shard.voter
            if not register.r8a_may_hold(voter, epoch):
                self._refuse(pending, "owner_unreachable", "the shard was granted anew")
                return
            seq = owner.durable_seq
            if seq > owner.commit_seq:
                owner.commit_seq = voter.acked_seq = voter.commit_seq = seq
            self._finish(pending, owner)
            return
        self._await_round(pending, owner)

    def _await_round(self, pending: Pending, owner: OwnerShard) -> None:
        ctx = self.ctx
        row = pending.row
        left = owner.hold_until - ctx.clocks.fast
        if pending.verb != RELEASE and not holding.r8d_needs_round(
            row.ends, ctx.clocks.told, pending.pool.mclt_ns, left
        ):
            self._finish(pending, owner)
            return
        pending.begun_round = self.round_no + 1
        pending.due_ns = ctx.now.mono_ns + ctx.config.quorum_wait_ns
        self.questions.setdefault(pending.shard.key, []).append(pending)
        self.question_count += 1
        ctx.timers.set_earlier("round", ctx.now.mono_ns + ctx.config.round_interval_ns)
        ctx.timers.set_earlier("questions", pending.due_ns)

    def answered(self, shard: Shard) -> None:
        """Voters acknowledged something of this shard: tell what is confirmed by now."""
        waiting = self.questions.get(shard.key)
        if not waiting:
            return
        owner = shard.owner
        still: list[Pending] = []
        for pending in waiting:
            if owner is None or owner.grant.epoch.counter != pending.epoch:
                self._refuse(pending, "owner_unreachable", "the shard was granted anew")
            elif self.confirmed(pending, shard, owner):
                self._finish(pending, owner)
            else:
                still.append(pending)
        self._keep(shard.key, still, len(waiting))

    def confirmed(self, pending: Pending, shard: Shard, owner: OwnerShard) -> bool:
        """A quorum holds the record, and a quorum answered a round begun after the question."""
        if pending.seq > owner.commit_seq:
            return False
        voters = set(holding.r8d_confirmed(pending.begun_round, owner.confirmed))
        if self.ctx.votes and register.r8a_may_hold(shard.voter, owner.grant.epoch):
            voters.add(self.ctx.me)
        return configuration.r8d_confirmed_by(self.ctx.configuration, voters)

    def expire_questions(self) -> None:
        """`quorum_wait` is over for some: a shorter lease for who asked for it, else a refusal."""
        now = self.ctx.now.mono_ns
        next_due: int | None = None
        for key in list(self.questions):
            still: list[Pending] = []
            waiting = self.questions[key]
            for pending in waiting:
                if pending.due_ns > now:
                    still.append(pending)
                    next_due = min(pending.due_ns, next_due or pending.due_ns)
                else:
                    self._give_up(pending)
            self._keep(key, still, len(waiting))
        if next_due is not None:
            self.ctx.timers.set_earlier("questions", next_due)

    def drop_shard(self, shard: Shard) -> None:
        """The shard is not ours any more."""
        waiting = self.questions.get(shard.key, [])
        for pending in waiting:
            self._refuse(pending, "owner_unreachable", "the shard was granted anew")
        self._keep(shard.key, [], len(waiting))

    def _keep(self, key: tuple[int, int], still: list[Pending], before: int) -> None:
        self.question_count += len(still) - before
        if still:
            self.questions[key] = still
        else:
            self.questions.pop(key, None)

    def _give_up(self, pending: Pending) -> None:
        owner = pending.shard.owner
        fast = self.ctx.clocks.fast
        row = pending.row
        if (
            pending.provisional
            and pending.verb in (ALLOCATE, RENEW)
            and owner is not None
            and holding.r9_still_holds(owner, fast)
            and row.length == HELD
        ):
            limit = holding.r8_tell_limit(fast, pending.pool.mclt_ns, owner.hold_until)
            told_until = self.ctx.clocks.told + limit - fast
            if row.ends:
                told_until = min(told_until, row.ends)
            self._finish(pending, owner, told_until=told_until)
            return
        if pending.created and self.undo is not None:
            self.undo(pending)
        self._refuse(
            pending,
            "quorum_unavailable",
            "no majority of voters answered in time",
            retry_after_s=2,
        )

    # --- the answer --------------------------------------------------------------------------

    def _finish(self, pending: Pending, owner: OwnerShard, told_until: int | None = None) -> None:
        ctx = self.ctx
        verb = pending.verb
        pool = pending.pool
        row = pending.row
        if verb == RELEASE:
            self._deliver(pending, Done(pending.warnings) if pending.warnings else DONE)
            return
        if row.seq != pending.seq and row.length == HELD:
            # Renewed meanwhile: what is told now rests on the newer record.
            pending.seq = row.seq
            pending.epoch = row.epoch
            self.start(pending)
            return
        if row.length != HELD:
            self._refuse(pending, "allocation_not_found", "allocation not found", definite=True)
            return
        not_after = holding.r9_not_after(owner.hold_until, ctx.clocks.fast, ctx.config.ack_limit_ns)
        view = allocation_view(
            ctx,
            pool,
            row,
            created=pending.created,
            not_after=not_after,
            told_until=told_until,
            warnings=pending.warnings,
        )
        if pending.created or verb == RENEW:
            self._announce(pending, row, view)
        self._deliver(pending, view)

    def _announce(self, pending: Pending, row: Row, view: AllocationView) -> None:
        """Watchers and the audit log hear of what was told for the first time."""
        effects = self.ctx.effects
        wall_us = self.ctx.clocks.wall_us
        target = f"allocations/{pending.pool.spec.id}/{row.subscriber}"
        effects.append(Watch("put", "allocations", target, wall_us, view))
        effects.append(
            Audit(
                wall_us,
                "ALLOCATION_CREATED" if pending.verb == ALLOCATE else "ALLOCATION_RENEWED",
                pending.actor,
                pending.cause_id,
                target,
                {
                    "resource": view.resource,
                    "epoch": row.epoch,
                    "seq": row.seq,
                    "ttl": view.ttl_s,
                },
            )
        )

    def _refuse(
        self,
        pending: Pending,
        code: str,
        message: str,
        *,
        definite: bool | None = None,
        **detail: object,
    ) -> None:
        if definite is None:
            definite = pending.verb == GET
        self._deliver(pending, NexusError(code, message, definite=definite, **detail))

    def refuse_all(self, code: str, message: str, steps: list[Any]) -> None:
        """The disk failed: every answer that waits for it is refused, honestly indefinite."""
        for pending in steps:
            if isinstance(pending, Pending):
                self._refuse(pending, code, message)
        for key in list(self.questions):
            waiting = self.questions[key]
            for pending in waiting:
                self._refuse(pending, code, message)
            self._keep(key, [], len(waiting))

    def _deliver(self, pending: Pending, result: Any) -> None:
        if pending.collector is not None:
            pending.collector.put(pending.place, result)
        elif pending.origin is not None:
            self.pass_back(pending.origin, result)
        else:
            self.ctx.effects.append(Reply(pending.reply_to, result))


def announce_end(
    ctx: Context,
    pool: PoolState,
    subscriber: str,
    index: int,
    action: str,
    actor: str,
    cause_id: str,
) -> None:
    """Watchers and the audit log hear of an end that is on disk."""
    wall_us = ctx.clocks.wall_us
    target = f"allocations/{pool.spec.id}/{subscriber}"
    detail = {"resource": pool.geometry.format(index)}
    ctx.effects.append(Watch("delete", "allocations", target, wall_us))
    ctx.effects.append(Audit(wall_us, action, actor, cause_id, target, detail))
