"""VLANs: one allocation is one VID (IEEE 802.1Q; 0 and 4095 are reserved by the standard)."""

from __future__ import annotations

import msgspec

from nexus.errors import validation
from nexus.model.ids import shown
from nexus.model.pool import PoolSpec
from nexus.model.ranges import Ranges
from nexus.resources.base import (
    Geometry,
    ResourceType,
    checked_reserved,
    even_shard_count,
)
from nexus.resources.numbers import checked_span, read_number, read_span, span_text

VID_MIN = 1
VID_MAX = 4_094


class VlanGeometry(Geometry, frozen=True, kw_only=True):
    """Unit = VID."""

    def format(self, index: int) -> str:
        return str(self.base + index)

    def parse(self, text: str, field: str | None = None) -> int:
        vid = read_number(text, VID_MIN, VID_MAX)
        if vid is None:
            raise self.malformed(text, f"a VLAN id of {VID_MIN} to {VID_MAX}", field)
        if not 0 <= vid - self.base < self.size:
            raise self.outside(text)
        return vid - self.base


def geometry(spec: PoolSpec) -> VlanGeometry:
    """VIDs of the pool's range."""
    start, stop = checked_span("range", spec.range or "", VID_MIN, VID_MAX)
    excluded = Ranges.of(exclusion_span(text, start, stop) for text in spec.exclusions)
    reserved = Ranges.of((low - start, high - start) for low, high in excluded.spans())
    return VlanGeometry(
        type="vlan",
        size=stop - start,
        shard_count=even_shard_count(spec.sharding_factor, stop - start),
        reserved=checked_reserved(reserved, stop - start, spec),
        base=start,
    )


def exclusion_span(text: str, start: int, stop: int) -> tuple[int, int]:
    """Half-open numbers of one exclusion, refused unless inside the pool."""
    span = read_span(text, start, stop - 1)
    if span is None:
        raise validation(
            "exclusions",
            f"must be a number or 'first-last' inside the pool ({span_text(start, stop)}), "
            f"got {shown(text)}",
        )
    return span


def normalise(spec: PoolSpec) -> PoolSpec:
    """Canonical texts of the range and the exclusions."""
    start, stop = checked_span("range", spec.range or "", VID_MIN, VID_MAX)
    return msgspec.structs.replace(
        spec,
        range=span_text(start, stop),
        exclusions=tuple(span_text(*exclusion_span(text, start, stop)) for text in spec.exclusions),
    )


TYPE = ResourceType(
    name="vlan", required=("range",), optional=(), normalise=normalise, geometry=geometry
)
