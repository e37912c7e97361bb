"""Label allocations with a backup node."""

from __future__ import annotations

import msgspec

from nexus.core.calls import Call, Services
from nexus.core.finding import refuse_writes
from nexus.model.views import BackupsView
from nexus.ownership import holding
from nexus.ownership.shard import HELD


class CreateBackups(msgspec.Struct, frozen=True):
    """Answer: `BackupsView`; pool_not_found."""

    pool_id: str
    backup_node_id: str


def run(node: Services, request: CreateBackups, call: Call) -> None:
    """Label allocations of other nodes that have no label: floor(all x ratio), at least one."""
    refuse_writes(node)
    pool = node.book.require(request.pool_id)
    held = sum(shard.held for shard in pool.shards)
    ratio = pool.spec.backup_ratio
    budget = held if ratio == 0 else max(1, int(held * ratio))
    count = 0
    for row in list(pool.rows_after(-1)):
        if count >= budget:
            break
        shard = pool.shard_at(row.index)
        if (
            row.length != HELD
            or row.backup_node_id is not None
            or row.node_id == request.backup_node_id
            or shard.owner is None
            or not holding.r7_may_change(shard.owner, node.ctx.clocks.fast)
        ):
            continue
        node.leasing.relabel(pool, shard, row, request.backup_node_id)
        node.leasing.note_durable(shard, shard.owner, row.seq)
        count += 1
    view = BackupsView(request.pool_id, request.backup_node_id, count)
    node.ctx.when_durable(_done, (node, call, view))


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
