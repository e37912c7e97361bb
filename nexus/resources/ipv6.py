"""IPv6: one allocation is one delegated prefix of length ``prefix`` (RFC 8415 section 6.3).

A /128 is an address.  Nothing is reserved but exclusions and a gateway that lies inside the pool:
there is no broadcast, and the first prefix is as good as any.  Units are numbered by prefix, so a
/32 cut into /64s has 2^32 of them and a /64 cut into addresses 2^64 (G11).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from nexus.model.pool import PoolSpec
from nexus.model.ranges import Ranges
from nexus.resources.addresses import (
    IPV6,
    checked_address,
    checked_pool_cidr,
    checked_prefix,
    cidr_text,
    excluded_units,
    exclusion_text,
    format_ipv6,
    read_address,
    span_text,
)
from nexus.resources.base import (
    Geometry,
    ResourceType,
    binary_shard_count,
    checked_reserved,
    checked_size,
)
from nexus.resources.numbers import read_number


class Ipv6Geometry(Geometry, frozen=True, kw_only=True):
    """Unit = delegated prefix."""

    FIELD: ClassVar[str] = "ip"

    unit_prefix: int

    def format(self, index: int) -> str:
        return f"{format_ipv6(self.base + index * self.unit)}/{self.unit_prefix}"

    def ip(self, index: int) -> str:
        return format_ipv6(self.base + index * self.unit)

    def prefix(self) -> int:
        return self.unit_prefix

    def format_range(self, start: int, stop: int) -> str:
        if start + 1 == stop:
            return self.format(start)
        return span_text(self.base + start * self.unit, self.base + stop * self.unit, IPV6)

    def parse(self, text: str, field: str | None = None) -> int:
        """The prefix by its first address, with or without its length."""
        accepted = f"the first address of a /{self.unit_prefix}, or that with '/{self.unit_prefix}'"
        address_text, slash, length_text = text.partition("/")
        address = read_address(address_text, IPV6)
        length = read_number(length_text, 0, IPV6.bits) if slash else self.unit_prefix
        if address is None or length != self.unit_prefix or address % self.unit:
            raise self.malformed(text, accepted, field)
        index = (address - self.base) // self.unit
        if not 0 <= index < self.size:
            raise self.outside(text)
        return index


def geometry(spec: PoolSpec) -> Ipv6Geometry:
    """Prefixes of the pool's network."""
    base, mask = checked_pool_cidr(spec, IPV6)
    prefix = checked_prefix(spec, mask, IPV6)
    size = checked_size(1 << (prefix - mask), "prefix", f"/{prefix} in {spec.cidr}")
    unit = 1 << (IPV6.bits - prefix)
    reserved = excluded_units(spec, IPV6, base, size, unit)
    gateway = None
    if spec.gateway is not None:
        gateway = checked_address("gateway", spec.gateway, IPV6)
        index = (gateway - base) // unit
        if 0 <= index < size:
            reserved |= Ranges.of([(index, index + 1)])
    return Ipv6Geometry(
        type="ipv6",
        size=size,
        shard_count=binary_shard_count(spec.sharding_factor, size),
        reserved=checked_reserved(reserved, size, spec),
        base=base,
        unit=unit,
        unit_prefix=prefix,
        gateway=None if gateway is None else format_ipv6(gateway),
    )


def normalise(spec: PoolSpec) -> PoolSpec:
    """Canonical texts of network, gateway and exclusions."""
    base, mask = checked_pool_cidr(spec, IPV6)
    stop = base + (1 << (IPV6.bits - mask))
    gateway = spec.gateway
    if gateway is not None:
        gateway = format_ipv6(checked_address("gateway", gateway, IPV6))
    return msgspec.structs.replace(
        spec,
        cidr=cidr_text(base, mask, IPV6),
        gateway=gateway,
        exclusions=tuple(exclusion_text(text, IPV6, base, stop) for text in spec.exclusions),
    )


TYPE = ResourceType(
    name="ipv6",
    required=("cidr", "prefix"),
    optional=("gateway", "dns"),
    normalise=normalise,
    geometry=geometry,
)
