"""Allocate a resource to a subscriber."""

from __future__ import annotations

import msgspec


class Allocate(msgspec.Struct, frozen=True, gc=False):
    """Answer: `AllocationView` (``created`` tells 201 from 200).

    Absent values are None; ``ttl_s`` None means the pool's default where the type needs one.
    """

    pool_id: str
    subscriber_id: str
    resource: str | None = None
    """An explicit resource (``ip`` in the API)."""
    node_id: str | None = None
    backup_node_id: str | None = None
    ttl_s: int | None = None
    alloc_type: str | None = None
    provisional: bool = False


class AllocateBatch(msgspec.Struct, frozen=True):
    """Answer: `BatchView`, one durable commit for all, at most 1,000 items.

    An item that was already refused while it was decoded is a `NexusError` in its place.
    """

    items: tuple[Allocate | Exception, ...]
