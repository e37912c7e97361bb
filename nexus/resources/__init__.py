"""Resource types: what a unit of a pool is, and how it is written.

A new type is one file beside these and one line in `RESOURCE_TYPES`; the properties of
tests/property/test_geometry.py then hold it to round trips, exact splits and exhaustion.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nexus.errors import validation
from nexus.model.ids import shown
from nexus.model.pool import PoolSpec
from nexus.resources import ipv4, ipv6, port, svlan, vlan
from nexus.resources.addresses import IPV4, IPV6, read_address
from nexus.resources.base import Geometry, ResourceType
from nexus.resources.definition import SPACE_FIELDS, read_fields
from nexus.resources.knobs import ACK_LIMIT_S, check_knobs

__all__ = ["RESOURCE_TYPES", "Geometry", "ResourceType", "geometry", "pool_spec_from"]

RESOURCE_TYPES: dict[str, ResourceType] = {
    kind.name: kind for kind in (ipv4.TYPE, ipv6.TYPE, vlan.TYPE, svlan.TYPE, port.TYPE)
}


def geometry(spec: PoolSpec) -> Geometry:
    """Size, shards, reserved units and texts of a pool.

    Raises
    ------
    NexusError : validation_failed, naming the field, its value and what is accepted.
    """
    return _type_of(spec).geometry(spec)


def pool_spec_from(
    raw: Mapping[str, object], *, ack_limit_s: float = ACK_LIMIT_S
) -> tuple[PoolSpec, tuple[str, ...]]:
    """An API object as a checked definition in canonical texts, and what to warn its sender of.

    Parameters
    ----------
    raw : decoded JSON object.
    ack_limit_s : the cluster's `ack_limit`, which bounds some knobs from below.

    Raises
    ------
    NexusError : validation_failed, naming the field, its value and what is accepted.
    """
    spec, warnings = read_fields(raw, ack_limit_s)
    if not spec.type:
        spec = msgspec.structs.replace(spec, type=_type_by_cidr(spec))
    kind = _type_of(spec)
    _check_space_fields(spec, kind)
    spec = kind.normalise(spec)
    check_knobs(spec, ack_limit_s)
    return spec, warnings + _geometry_warnings(spec, kind.geometry(spec))


def _type_of(spec: PoolSpec) -> ResourceType:
    kind = RESOURCE_TYPES.get(spec.type)
    if kind is None:
        raise validation(
            "type", f"must be one of {', '.join(RESOURCE_TYPES)}, got {shown(spec.type)}"
        )
    return kind


def _type_by_cidr(spec: PoolSpec) -> str:
    if spec.cidr is not None:
        return "ipv6" if ":" in spec.cidr else "ipv4"
    if spec.range is not None:
        raise validation("type", "is required with range, accepted: vlan, svlan or port")
    raise validation("cidr", "is required for a pool without type")


def _check_space_fields(spec: PoolSpec, kind: ResourceType) -> None:
    for field in kind.required:
        if not getattr(spec, field):
            raise validation(field, f"is required for a pool of type {kind.name}")
    taken = kind.required + kind.optional
    for field in SPACE_FIELDS:
        value = getattr(spec, field)
        if value and field not in taken:
            raise validation(
                field,
                f"is not for pools of type {kind.name}, accepted: {', '.join(taken)}, "
                f"got {shown(value)}",
            )


def _geometry_warnings(spec: PoolSpec, shape: Geometry) -> tuple[str, ...]:
    warnings = []
    if spec.sharding_factor and spec.sharding_factor != shape.shard_count:
        warnings.append(
            f"sharding_factor {spec.sharding_factor} makes {shape.shard_count} shards here"
        )
    if spec.gateway is not None and _outside(spec.gateway, shape):
        warnings.append(f"gateway {spec.gateway} is outside the pool, nothing is reserved for it")
    return tuple(warnings)


def _outside(gateway: str, shape: Geometry) -> bool:
    address = read_address(gateway, IPV6 if ":" in gateway else IPV4)
    return address is None or shape.index_at(address) is None
