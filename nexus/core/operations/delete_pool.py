"""Delete a pool."""

from __future__ import annotations

import msgspec


class DeletePool(msgspec.Struct, frozen=True):
    """Answer: `Done`; pool_not_found, pool_in_use (unless ``force``)."""

    pool_id: str
    force: bool = False
