"""Label allocations with a backup node."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from nexus.core import slices
from nexus.core.calls import Call, Services
from nexus.core.finding import refuse_writes
from nexus.model.views import BackupsView
from nexus.ownership import holding
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import HELD, Row, Shard


class CreateBackups(msgspec.Struct, frozen=True):
    """Answer: `BackupsView`; pool_not_found."""

    pool_id: str
    backup_node_id: str


def run(node: Services, request: CreateBackups, call: Call) -> None:
    """Label allocations of other nodes that have no label: floor(all x ratio), at least one."""
    refuse_writes(node)
    node.slices.start(_label(node, node.book.require(request.pool_id), request, call), call)


def _label(node: Services, pool: PoolState, request: CreateBackups, call: Call) -> Iterator[None]:
    held = sum(shard.held for shard in pool.shards)
    ratio = pool.spec.backup_ratio
    budget = held if ratio == 0 else max(1, int(held * ratio))
    count = 0
    looked = 0
    for shard in pool.shards:
        for rows in shard.rows.batches(slices.SLICE_ROWS):
            if count >= budget:
                break
            for row in rows:
                count += count < budget and _label_row(node, pool, shard, row, request)
            looked += 1 + len(rows)
            if looked >= slices.SLICE_ROWS:
                yield
                looked = 0
    view = BackupsView(request.pool_id, request.backup_node_id, count)
    node.ctx.when_durable(_done, (node, call, view))


def _label_row(
    node: Services, pool: PoolState, shard: Shard, row: Row, request: CreateBackups
) -> bool:
    """Whether the row got the label."""
    owner = shard.owner
    if (
        row.length != HELD
        or row.backup_node_id is not None
        or row.node_id == request.backup_node_id
        or owner is None
        or not holding.r7_may_change(owner, node.ctx.clocks.fast)
    ):
        return False
    node.leasing.relabel(pool, shard, row, request.backup_node_id)
    node.leasing.note_durable(shard, owner, row.seq)
    return True


def _done(argument: tuple[Services, Call, BackupsView]) -> None:
    node, call, view = argument
    node.ctx.audit(
        "BACKUPS_CREATED",
        call.actor,
        call.cause_id,
        f"pools/{view.pool_id}",
        backup_node_id=view.backup_node_id,
        count=view.allocations_count,
    )
    node.answer(call, view)
