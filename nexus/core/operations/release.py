"""Release an allocation."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.finding import find_row, local_shard, refuse_writes


class Release(msgspec.Struct, frozen=True, gc=False):
    """Answer: `Done`; allocation_not_found, pool_not_found."""

    subscriber_id: str
    pool_id: str | None = None
    ticket: tuple[int, int, int] | None = None
    """(epoch, seq) of the record to end and the ticket's own number; only between members, see
    `nexus.core.tickets`."""


def run(node: Services, request: Release, call: Call) -> None:
    """Close the record; the answer waits for a quorum that holds the closing (R8 d)."""
    if node.ctx.storage_failed is not None:
        refuse_writes(node)
    pool, row = find_row(node, request.subscriber_id, request.pool_id)
    shard = local_shard(node, pool, row.index, call, changing=True)
    if shard is None:
        return
    if call.origin is not None and not node.tickets.admits(pool, row, request.ticket):
        node.answer(call, node.tickets.issue(pool, row))
        return
    pending = node.leasing.release(call.reply_to, pool, shard, row, call.cause_id, call.actor)
    pending.origin = call.origin
    node.ctx.when_durable(node.telling.on_durable, pending)
