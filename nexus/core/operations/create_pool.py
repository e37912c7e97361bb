"""Create a pool."""

from __future__ import annotations

import msgspec

from nexus.model.pool import PoolSpec


class CreatePool(msgspec.Struct, frozen=True):
    """Answer: `PoolView`; pool_exists, pool_overlaps, validation_failed."""

    spec: PoolSpec
