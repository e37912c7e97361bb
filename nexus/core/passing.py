"""Calls that cannot be answered here and now: they wait for a grant, or go to another member."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.messages import Forward, Forwarded
from nexus.core.operations.release import Release
from nexus.core.wrapping import unwrap_answer, unwrap_request, wrap
from nexus.errors import NexusError
from nexus.model.time import NS_PER_MS, NS_PER_US, US_PER_S
from nexus.model.views import AllocationView, ReleaseTicket
from nexus.ownership import clocks

WAITING_MAX = 10_000
"""Calls that wait for a grant; more are refused."""
FORWARDS_MAX = 10_000
RENEW_APART_NS = 100 * NS_PER_MS
"""Somebody waits for a hold: a renewal is sent at once, but not more often than this."""


CLOCKS_AGREE_US = US_PER_S
"""Wall clocks of two members this close are one; R10's `ack_limit` and cooldown cover it."""


class _Passed(msgspec.Struct, frozen=True, gc=False):
    """A call that went to another member."""

    call: Call
    due_ns: int
    to: str
    sent_fast: int


def _unreleased() -> NexusError:
    """A release that was not carried out and will not be."""
    return NexusError(
        "owner_unreachable", "the owner did not take the release in time", retry_after_s=2
    )


class Passing:
    """Waiting and forwarded calls of one node."""

    def __init__(self, node: Services) -> None:
        self.node = node
        self.waiting: deque[Call] = deque()
        self.forwards: dict[int, _Passed] = {}
        self.forward_no = 0
        self.renewed_ns = -(1 << 62)

    # --- waiting -----------------------------------------------------------------------------

    def wait_for_grant(self, call: Call) -> None:
        """Try the call again when shards begin to serve; refuse it after `grant_wait`."""
        ctx = self.node.ctx
        now = ctx.now.mono_ns
        if call.due_ns == 0:
            call.due_ns = now + ctx.config.grant_wait_ns
        if now >= call.due_ns or len(self.waiting) >= WAITING_MAX or ctx.storage_failed:
            raise self._not_served()
        self.waiting.append(call)
        ctx.timers.set_earlier("waiting", call.due_ns)
        if not self.node.owning.owned:
            ctx.timers.set_earlier("placement", now)
        elif now - self.renewed_ns >= RENEW_APART_NS:
            self.renewed_ns = now
            self.node.owning.renewing.renew()

    def _not_served(self) -> NexusError:
        if self.node.owning.owned:
            return NexusError("owner_unreachable", "the shard's hold has lapsed", retry_after_s=2)
        return NexusError("starting", "the pool's shards are not granted yet", retry_after_s=2)

    def retry_waiting(self) -> None:
        """Shards began to serve: every waiting call is tried again."""
        waiting, self.waiting = self.waiting, deque()
        for call in waiting:
            self.node.run(call)

    def expire_waiting(self) -> None:
        """`grant_wait` is over for some."""
        now = self.node.ctx.now.mono_ns
        due = [call for call in self.waiting if call.due_ns <= now]
        self.waiting = deque(call for call in self.waiting if call.due_ns > now)
        for call in due:
            self.node.answer(call, self._not_served())
        if self.waiting:
            first = min(call.due_ns for call in self.waiting)
            self.node.ctx.timers.set_earlier("waiting", first)

    def fail_all(self, error: NexusError) -> None:
        """The disk failed: nothing will be served here any more."""
        waiting, self.waiting = self.waiting, deque()
        for call in waiting:
            self.node.answer(call, error)

    # --- forwarding --------------------------------------------------------------------------

    def forward(self, to: str, call: Call) -> None:
        """Let another member answer."""
        if len(self.forwards) >= FORWARDS_MAX:
            raise NexusError("rate_limited", "too many calls are under way", retry_after_s=1)
        ctx = self.node.ctx
        self.forward_no += 1
        wait_ns = 2 * ctx.config.quorum_wait_ns
        if isinstance(call.request, Release) and call.request.ticket is not None:
            # What is said of it is said when the ticket has run out at the owner.
            wait_ns = clocks.stretched_ns(ctx.config.ack_limit_ns, ctx.config.drift_ppm)
        due = ctx.now.mono_ns + wait_ns
        self.forwards[self.forward_no] = _Passed(call, due, to, ctx.clocks.fast)
        ctx.timers.set_earlier("forwards", due)
        request = wrap(call.request)
        visited = (*call.visited, ctx.me)
        message = Forward(
            self.forward_no,
            ctx.config.session,
            request,
            call.cause_id,
            call.actor,
            visited,
            call.unit,
        )
        ctx.send_now(to, message)

    def on_forward(self, sender: str, message: Forward) -> None:
        """Another member's caller asks."""
        origin = (sender, message.forward_no, message.session)
        request = unwrap_request(message.request)
        call = Call(0, message.cause_id, message.actor, request, message.visited, 0, origin)
        if self._knows(message.unit):
            self.node.run(call)
            return
        refusal = NexusError(
            "owner_unreachable", "the shard is between two owners", retry_after_s=2
        )
        self.pass_back(origin, refusal)

    def _knows(self, unit: tuple[int, int] | None) -> bool:
        """Only an owner can say that a row is not there: a new disk, say, knows of none."""
        pool = None if unit is None else self.node.book.by_no.get(unit[0])
        if unit is None or pool is None:
            return unit is None
        shard = pool.shard_at(unit[1])
        return shard.owner is not None or shard.rows.get(unit[1]) is not None

    def pass_back(self, origin: Any, result: Any) -> None:
        """An answer for another member's caller, once everything so far is on disk."""
        member, number, session = origin
        ctx = self.node.ctx
        ctx.send(member, Forwarded(number, session, wrap(result), ctx.now.wall_us))

    def on_forwarded(self, message: Forwarded) -> None:
        """The answer to a call that was passed on, if this process passed it."""
        if message.session != self.node.ctx.config.session:
            return
        passed = self.forwards.pop(message.forward_no, None)
        if passed is None:
            return
        call = passed.call
        answer = unwrap_answer(message.answer)
        if isinstance(answer, ReleaseTicket) and call.origin is None:
            self._use_ticket(passed, answer)
            return
        if isinstance(answer, AllocationView):
            # A member in the middle hides no difference: a few of them would add up.
            agree_us = CLOCKS_AGREE_US if call.origin is None else 0
            answer = self._redated(answer, message.wall_us, passed.sent_fast, agree_us)
        self.node.answer(call, answer)

    def _use_ticket(self, passed: _Passed, ticket: ReleaseTicket) -> None:
        """Ask for the release of exactly this record; a second ticket means that it was renewed."""
        call = passed.call
        request = call.request
        if not isinstance(request, Release) or request.ticket is not None:
            self.node.answer(call, _unreleased())
            return
        call.request = msgspec.structs.replace(
            request, ticket=(ticket.epoch, ticket.seq, ticket.number)
        )
        self.forward(passed.to, call)

    def _redated(
        self, view: AllocationView, wall_us: int, sent_fast: int, agree_us: int
    ) -> AllocationView:
        """An owner's wall-clock stamps as this member's clock has them (R11).

        What is left of a lease is counted from when the call left here: rather too short.  Where
        the two clocks agree the owner's stamp stands, so that it reads the same everywhere.
        """
        ctx = self.node.ctx
        if abs(ctx.now.wall_us - wall_us) < agree_us:
            return view
        left_us = ctx.now.wall_us - (ctx.clocks.fast - sent_fast) // NS_PER_US
        apart_us = left_us - wall_us

        def here(at_us: int | None) -> int | None:
            return None if at_us is None else at_us + apart_us

        return msgspec.structs.replace(
            view, ends_us=here(view.ends_us), not_after_us=here(view.not_after_us)
        )

    def expire_forwards(self) -> None:
        """Members that were asked did not answer in time; what they did is not known."""
        now = self.node.ctx.now.mono_ns
        for number in [number for number, one in self.forwards.items() if one.due_ns <= now]:
            passed = self.forwards.pop(number)
            self.node.lost_peers[passed.to] = None  # until it is heard again
            request = passed.call.request
            if isinstance(request, Release) and request.ticket is None:
                self.node.answer(passed.call, _unreleased())
                continue
            self.node.answer(
                passed.call,
                NexusError(
                    "owner_unreachable",
                    "the member that may answer did not, in time",
                    definite=False,
                    retry_after_s=2,
                ),
            )
        if self.forwards:
            first = min(one.due_ns for one in self.forwards.values())
            self.node.ctx.timers.set_earlier("forwards", first)
