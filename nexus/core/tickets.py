"""Releases that another member passes on: none is carried out after its caller was given up on.

A release that the network delays would end what was told again meanwhile (R8 d).  So a member that
passes one on first gets a *ticket*: the (epoch, seq) that would end, good for `ack_limit` on the
owner's fast clock and for one use.  It then asks for the release of exactly that record, and tells
its caller that the outcome is unknown only after the ticket has run out by its own slow clock.
Whatever the caller does next comes after the release, or the release does not come at all.
"""

from __future__ import annotations

from nexus.core.context import Context
from nexus.model.views import ReleaseTicket
from nexus.ownership import records
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import Row

TICKETS_MAX = 10_000
"""Tickets out at once; the oldest is void when one more is wanted."""

_Key = tuple[int, int, int, int]


class Tickets:
    """Tickets of one owner: (pool, unit, epoch, seq) -> fast instant of issue."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._issued: dict[_Key, int] = {}

    def issue(self, pool: PoolState, row: Row) -> ReleaseTicket:
        """A ticket to end the row as it stands now."""
        key = (pool.pool_no, row.index, row.epoch, row.seq)
        self._issued.pop(key, None)
        self._issued[key] = self.ctx.clocks.fast
        while len(self._issued) > TICKETS_MAX:
            del self._issued[next(iter(self._issued))]
        return ReleaseTicket(row.epoch, row.seq)

    def admits(self, pool: PoolState, row: Row, ticket: tuple[int, int] | None) -> bool:
        """The ticket is for this very record and still good; it is used up by asking."""
        if ticket is None:
            return False
        issued = self._issued.pop((pool.pool_no, row.index, *ticket), None)
        return issued is not None and records.r8d_release_names(
            row, ticket, self.ctx.clocks.fast - issued, self.ctx.config.ack_limit_ns
        )
