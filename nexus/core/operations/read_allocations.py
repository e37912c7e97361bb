"""Read allocations: by subscriber (telling), lists, expiring, by node, explain."""

from __future__ import annotations

import msgspec


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
