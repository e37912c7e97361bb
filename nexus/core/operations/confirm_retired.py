"""R20: the node that serves the younger of two allocations says that it is out of use."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.finding import owner_of_row, refuse_writes
from nexus.core.shaping import is_retired
from nexus.core.telling import RELEASE
from nexus.errors import NexusError
from nexus.model.views import Done


class ConfirmRetired(msgspec.Struct, frozen=True, gc=False):
    """Answer: `Done`; pool_not_found, allocation_not_found."""

    pool_id: str
    subscriber_id: str
    resource: str


def run(node: Services, request: ConfirmRetired, call: Call) -> None:
    """Close the retired row; the older allocation of the subscriber stands."""
    refuse_writes(node)
    pool = node.book.require(request.pool_id)
    row = pool.row_at(pool.geometry.parse(request.resource))
    if row is None or row.subscriber != request.subscriber_id or not is_retired(row):
        raise NexusError(
            "allocation_not_found", f"no retired allocation of {request.subscriber_id}"
        )
    if not owner_of_row(node, pool, row, call):
        return
    if not is_retired(row):
        node.answer(call, Done())
        return
    pending = node.leasing.release(
        call.reply_to, pool, pool.shard_at(row.index), row, call.cause_id, call.actor
    )
    pending.origin = call.origin
    assert pending.verb == RELEASE
    node.telling.start(pending)
