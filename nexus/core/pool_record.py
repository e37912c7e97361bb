"""A pool as a snapshot and a catalogue message carry it."""

from __future__ import annotations

import msgspec

from nexus.model.pool import PoolSpec


class PoolRecord(msgspec.Struct, frozen=True, array_like=True):
    """Number, generation, definition and dates; everything else follows."""

    pool_no: int
    generation: int
    spec: PoolSpec
    created_us: int
    retired_us: int | None
