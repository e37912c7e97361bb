"""Releases that another member passes on: none is carried out after its caller was given up on.

A release that the network delays would end what was told again meanwhile (R8 d).  So a member that
passes one on first gets a *ticket*: the (epoch, seq) that would end, good for `ack_limit` on the
owner's fast clock and for one use.  It then asks for the release of exactly that record, and tells
its caller that the outcome is unknown only after the ticket has run out by its own slow clock.
Whatever the caller does next comes after the release, or the release does not come at all.

A ticket has a number of its own: a late copy of the first question gets another ticket for the
same record, and must not bring one back to life that has run out.
"""

from __future__ import annotations

from nexus.core.context import Context
from nexus.model.views import ReleaseTicket
from nexus.ownership import records
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import Row

TICKETS_MAX = 10_000
"""Tickets out at once; the oldest is void when one more is wanted."""

SESSION_SHIFT = 32
"""A number is (session counter, ticket of that process): none is used twice."""

_Key = tuple[int, int, int, int]


class Tickets:
    """Tickets of one owner: (pool, unit, epoch, seq) -> (number, fast instant of issue)."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._issued: dict[_Key, tuple[int, int]] = {}
        self._number = ctx.config.session.counter << SESSION_SHIFT

    def issue(self, pool: PoolState, row: Row) -> ReleaseTicket:
        """A ticket to end the row as it stands now: the one that is out while it is good."""
        key = (pool.pool_no, row.index, row.epoch, row.seq)
        fast = self.ctx.clocks.fast
        known = self._issued.pop(key, None)
        if known is None or fast - known[1] > self.ctx.config.ack_limit_ns:
            self._number += 1
            known = (self._number, fast)
        self._issued[key] = known
        while len(self._issued) > TICKETS_MAX:
            del self._issued[next(iter(self._issued))]
        return ReleaseTicket(row.epoch, row.seq, known[0])

    def admits(self, pool: PoolState, row: Row, ticket: tuple[int, int, int] | None) -> bool:
        """The ticket is for this very record and still good; it is used up by that."""
        if ticket is None:
            return False
        epoch, seq, number = ticket
        known = self._issued.get((pool.pool_no, row.index, epoch, seq))
        if known is None or known[0] != number:
            return False
        del self._issued[pool.pool_no, row.index, epoch, seq]
        age_ns = self.ctx.clocks.fast - known[1]
        return records.r8d_release_names(row, (epoch, seq), age_ns, self.ctx.config.ack_limit_ns)
