"""Read allocations: by subscriber (telling), lists, expiring, by node, explain."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice

import msgspec

from nexus.core import slices
from nexus.core.calls import Call, Services
from nexus.core.finding import find_row, owner_of_row
from nexus.core.operations.allocate import tell_row
from nexus.core.paging import check_limit, number_cursor
from nexus.core.retiring import RETIRED
from nexus.core.shaping import allocation_view, is_retired, shard_view
from nexus.core.telling import GET
from nexus.errors import validation
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView, ExplainView, HistoryEntry, Page
from nexus.ownership import records
from nexus.ownership.pool_state import PoolState, held_due
from nexus.ownership.shard import FLAG_FREE, HELD, Row

UNIT_BITS = 64
"""A list cursor is (pool number << 64) | unit index."""
WITHIN_MAX_S = 10 * 365 * 86_400


class GetAllocation(msgspec.Struct, frozen=True, gc=False):
    """Answer: `AllocationView`, a telling reply (R8 d); allocation_not_found, pool_not_found."""

    subscriber_id: str
    pool_id: str | None = None


class ListAllocations(msgspec.Struct, frozen=True):
    """Answer: `Page[AllocationView]` ordered by pool creation, then resource."""

    pool_id: str | None = None
    subscriber_id: str | None = None
    node_id: str | None = None
    backup_node_id: str | None = None
    resource: str | None = None
    limit: int = 1000
    cursor: str | None = None
    retired: bool = False
    """Only the younger ones of subscribers that a partition gave two (R20)."""


class ListExpiring(msgspec.Struct, frozen=True):
    """Answer: `Page[AllocationView]` ordered by expiry, those ending within the given time."""

    within_s: int = 3600
    pool_id: str | None = None
    limit: int = 1000
    cursor: str | None = None


class Explain(msgspec.Struct, frozen=True):
    """Answer: `ExplainView`; pool_not_found, resource_outside_pool."""

    pool_id: str
    resource: str


def get_allocation(node: Services, request: GetAllocation, call: Call) -> None:
    """Tell an allocation: the hold and, where it is long, a quorum are asked first."""
    pool, row = find_row(node, request.subscriber_id, request.pool_id)
    if not owner_of_row(node, pool, row, call):
        return
    node.telling.start(tell_row(node, pool, row, GET, call))


def list_allocations(node: Services, request: ListAllocations, call: Call) -> None:
    """Open rows that match, in order of pool creation and unit."""
    limit = check_limit(request.limit)
    cursor = number_cursor(request.cursor)
    told = node.ctx.clocks.told
    total = 0
    chosen: list[tuple[PoolState, Row]] = []
    more = False
    unfiltered = not (
        request.subscriber_id or request.node_id or request.backup_node_id or request.retired
    )
    for pool in _pools(node, request.pool_id):
        base = pool.pool_no << UNIT_BITS
        counted = unfiltered and request.resource is None
        if counted:
            total += sum(shard.held for shard in pool.shards)
        for row in _candidates(pool, request, cursor - base if counted else -1):
            if not records.is_open(row, told) or not _matches(row, request):
                continue
            if not counted:
                total += 1
            if base + row.index <= cursor:
                continue
            if len(chosen) < limit:
                chosen.append((pool, row))
            else:
                more = True
                if counted:
                    break
    views = tuple(
        allocation_view(node.ctx, pool, row, warnings=(RETIRED,) if is_retired(row) else ())
        for pool, row in chosen
    )
    next_cursor = None
    if more:
        last_pool, last_row = chosen[-1]
        next_cursor = str((last_pool.pool_no << UNIT_BITS) + last_row.index)
    node.answer(call, Page(views, total, next_cursor))


def _pools(node: Services, pool_id: str | None) -> list[PoolState]:
    if pool_id is not None:
        return [node.book.require(pool_id)]
    return sorted(node.book.by_id.values(), key=lambda pool: pool.pool_no)


def _candidates(pool: PoolState, request: ListAllocations, after: int) -> Iterator[Row]:
    if request.subscriber_id is not None:
        return iter(sorted(pool.rows_of(request.subscriber_id), key=lambda row: row.index))
    if request.resource is not None:
        try:
            row = pool.row_at(pool.geometry.parse(request.resource))
        except Exception:
            if request.pool_id is not None:
                raise
            row = None
        return iter(() if row is None else (row,))
    if request.retired:
        rows = [row for rows in pool.doubles.values() for row in rows]
        return iter(sorted(rows, key=lambda row: row.index))
    if after >= pool.geometry.size - 1:
        return iter(())
    return pool.rows_after(max(after, -1))


def _matches(row: Row, request: ListAllocations) -> bool:
    if request.retired and not is_retired(row):
        return False
    return (request.node_id is None or row.node_id == request.node_id) and (
        request.backup_node_id is None or row.backup_node_id == request.backup_node_id
    )


def list_expiring(node: Services, request: ListExpiring, call: Call) -> None:
    """Open rows that end within the time given, soonest first."""
    limit = check_limit(request.limit)
    if not 0 <= request.within_s <= WITHIN_MAX_S:
        raise validation("within", f"must be from 0 to {WITHIN_MAX_S}, got {request.within_s}")
    skip = number_cursor(request.cursor, 0)
    node.slices.start(_expiring(node, request, call, limit, skip), call)


def _expiring(
    node: Services, request: ListExpiring, call: Call, limit: int, skip: int
) -> Iterator[None]:
    told = node.ctx.clocks.told
    until = told + request.within_s * NS_PER_S
    seen: set[int] = set()
    runs: list[list[tuple[int, int, int]]] = []
    looked = 0
    for pool in _pools(node, request.pool_id):
        for rows in pool.held_queue.filed_within(until, slices.SLICE_READS):
            run: list[tuple[int, int, int]] = []
            for row in rows:
                if held_due(row) is None or not told < row.ends <= until or id(row) in seen:
                    continue
                seen.add(id(row))
                run.append((row.ends, pool.pool_no, row.index))
            run.sort()
            runs.append(run)
            looked += len(rows)
            if looked >= slices.SLICE_READS:
                yield
                looked = 0
    views: list[AllocationView] = []
    for place, (_, pool_no, index) in enumerate(islice(merge(*runs), skip + limit)):
        found = node.book.by_no.get(pool_no)
        newest = found.row_at(index) if place >= skip and found is not None else None
        if found is not None and newest is not None and newest.length == HELD:
            views.append(allocation_view(node.ctx, found, newest))
        if place % slices.SLICE_READS == slices.SLICE_READS - 1:
            yield
    total = len(seen)
    more = skip + limit < total
    node.answer(call, Page(tuple(views), total, str(skip + limit) if more else None))


def explain(node: Services, request: Explain, call: Call) -> None:
    """Who holds or held a resource, and why it would be refused."""
    pool = node.book.require(request.pool_id)
    index = pool.geometry.parse(request.resource, "resource")
    shard = pool.shard_at(index)
    view = shard_view(node.ctx, pool, shard)
    row = pool.row_at(index)
    holder = None
    if index in pool.geometry.reserved:
        state = "reserved"
    elif row is not None and records.is_open(row, node.ctx.clocks.told):
        state, holder = "held", row.subscriber
    elif row is not None and not row.flags & FLAG_FREE:
        state = "cooling"
    else:
        state = "free" if view.locked == 0 else "locked"
    history = node.history.of(pool.pool_no, index)
    if not history and row is not None:
        reason = "allocated" if row.length == HELD else "ended"
        history = (HistoryEntry(row.subscriber, row.created_us, None, row.epoch, reason, ""),)
    resource = pool.geometry.format(index)
    node.answer(call, ExplainView(pool.spec.id, resource, state, holder, view, history))
