"""IPv4 addresses: one allocation is one address.

``prefix`` below 32 gives the length of the shard subnets; at 32 or absent the shards follow from
``sharding_factor``.  Network and broadcast of the *pool* are reserved, not those of each shard
(G17), and the gateway, by default the first host.  Pools of /31 and /32 have neither and no default
gateway: all of their 2 and 1 addresses serve (RFC 3021, G16).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nexus.errors import validation
from nexus.model.pool import PoolSpec
from nexus.model.ranges import Ranges
from nexus.resources.addresses import (
    IPV4,
    checked_address,
    checked_pool_cidr,
    checked_prefix,
    cidr_text,
    excluded_units,
    exclusion_text,
    format_ipv4,
    read_address,
    span_text,
)
from nexus.resources.base import (
    SHARDS_MAX,
    Geometry,
    ResourceType,
    binary_shard_count,
    checked_reserved,
)

_HOST_MASK_MAX = 30
"""Longest pool that has a network and a broadcast address."""


class Ipv4Geometry(Geometry, frozen=True, kw_only=True):
    """Unit = address."""

    FIELD: ClassVar[str] = "ip"

    def format(self, index: int) -> str:
        return format_ipv4(self.base + index)

    def ip(self, index: int) -> str:
        return format_ipv4(self.base + index)

    def format_range(self, start: int, stop: int) -> str:
        return span_text(self.base + start, self.base + stop, IPV4)

    def parse(self, text: str, field: str | None = None) -> int:
        address = read_address(text, IPV4)
        if address is None:
            raise self.malformed(text, "an IPv4 address", field)
        index = address - self.base
        if not 0 <= index < self.size:
            raise self.outside(text)
        return index


def geometry(spec: PoolSpec) -> Ipv4Geometry:
    """Addresses of the pool's network."""
    base, mask = checked_pool_cidr(spec, IPV4)
    size = 1 << (IPV4.bits - mask)
    gateway = None
    if spec.gateway is not None:
        gateway = checked_address("gateway", spec.gateway, IPV4)
    elif mask <= _HOST_MASK_MAX:
        gateway = base + 1
    reserved = excluded_units(spec, IPV4, base, size, 1)
    if mask <= _HOST_MASK_MAX:
        reserved |= Ranges.of([(0, 1), (size - 1, size)])
    if gateway is not None and base <= gateway < base + size:
        reserved |= Ranges.of([(gateway - base, gateway - base + 1)])
    return Ipv4Geometry(
        type="ipv4",
        size=size,
        shard_count=_shard_count(spec, mask, size),
        reserved=checked_reserved(reserved, size, spec),
        base=base,
        gateway=None if gateway is None else format_ipv4(gateway),
    )


def _shard_count(spec: PoolSpec, mask: int, size: int) -> int:
    by_factor = binary_shard_count(spec.sharding_factor, size)
    if spec.prefix == 0 or checked_prefix(spec, mask, IPV4) == IPV4.bits:
        return by_factor
    by_prefix = 1 << (spec.prefix - mask)
    if by_prefix > SHARDS_MAX:
        raise validation(
            "prefix",
            f"/{spec.prefix} in {spec.cidr} makes {by_prefix} shards, accepted: {mask} to "
            f"{mask + SHARDS_MAX.bit_length() - 1} (at most {SHARDS_MAX} shards), or {IPV4.bits}",
        )
    if spec.sharding_factor and by_factor != by_prefix:
        raise validation(
            "sharding_factor",
            f"prefix {spec.prefix} in {spec.cidr} makes {by_prefix} shards, "
            f"accepted: {by_prefix} or 0, got {spec.sharding_factor}",
        )
    return by_prefix


def normalise(spec: PoolSpec) -> PoolSpec:
    """Canonical texts of network, gateway and exclusions."""
    base, mask = checked_pool_cidr(spec, IPV4)
    stop = base + (1 << (IPV4.bits - mask))
    gateway = spec.gateway
    if gateway is not None:
        gateway = format_ipv4(checked_address("gateway", gateway, IPV4))
    return msgspec.structs.replace(
        spec,
        cidr=cidr_text(base, mask, IPV4),
        gateway=gateway,
        exclusions=tuple(exclusion_text(text, IPV4, base, stop) for text in spec.exclusions),
    )


TYPE = ResourceType(
    name="ipv4",
    required=("cidr",),
    optional=("prefix", "gateway", "dns"),
    normalise=normalise,
    geometry=geometry,
)
