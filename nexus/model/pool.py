"""A pool's definition as it was asked for, after validation of each field's own type.

What follows from a definition (size, shards, reserved units) is its geometry, computed by the
resource type in `nexus.resources`.
"""

from __future__ import annotations

import msgspec


class PoolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Definition of a pool: the API's fields, the same names, durations in seconds.

    Two definitions are identical if all fields are equal (`POST /pools` of an existing id).
    """

    id: str
    type: str
    """ipv4, ipv6, vlan, svlan or port."""
    cidr: str | None = None
    range: str | None = None
    c_vlan: str | None = None
    prefix: int = 0
    block_size: int = 0
    """Ports per allocation (port pools); 0 and 1 mean single ports."""
    sharding_factor: int = 0
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    backup_ratio: float = 0.0
    allow_overlap: bool = False
    cooldown: int = 60
    horizon: int | None = None
    """None: by the owner's role at grant (core 15 s, edge 24 h)."""
    mclt: int = 600
    default_ttl: int = 3600
    max_ttl: int = 30 * 86400
    pinned: bool = False
    fast_failover: bool = False
    headroom_shards: int = 1
    load_bound: float = 1.25
