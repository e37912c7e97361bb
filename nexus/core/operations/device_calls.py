"""Run device requests: the majority decides changes, the registry answers reads."""

from __future__ import annotations

from nexus.core.calls import Call, Services
from nexus.core.decided import DeviceOp
from nexus.core.finding import refuse_writes
from nexus.core.shaping import pool_view
from nexus.devices import reads
from nexus.devices.requests import DeviceRead, DeviceWrite


def write(node: Services, request: DeviceWrite, call: Call) -> None:
    """Decide the change; every node executes it in the same order."""
    refuse_writes(node)
    node.decide(DeviceOp(request, node.ctx.now.wall_us), call)


def read(node: Services, request: DeviceRead, call: Call) -> None:
    """Answer from what is decided so far."""
    pools = [pool_view(pool) for pool in node.book.by_id.values()]
    answer = reads.answer(node.catalog.devices, request, pools=pools, at_us=node.ctx.now.wall_us)
    node.answer(call, answer)
