"""Renew the TTL of an allocation."""

from __future__ import annotations

import msgspec


class Renew(msgspec.Struct, frozen=True, gc=False):
    """Answer: `AllocationView`; allocation_not_found, allocation_permanent.

    ``ttl_s`` None or 0 keeps the TTL that the allocation has.
    """

    subscriber_id: str
    pool_id: str | None = None
    ttl_s: int | None = None
