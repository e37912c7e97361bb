"""Release an allocation."""

from __future__ import annotations

import msgspec


class Release(msgspec.Struct, frozen=True, gc=False):
    """Answer: `Done`; allocation_not_found, pool_not_found."""

    subscriber_id: str
    pool_id: str | None = None
