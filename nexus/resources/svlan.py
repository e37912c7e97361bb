"""S-VLANs, alone or as QinQ pairs with a C-VLAN (IEEE 802.1Q clause 5.10, formerly 802.1ad).

With ``c_vlan`` one allocation is one pair, written ``"600.10"``, and the pool is the rectangle of
both ranges, outer first; without it one allocation is one outer VID with all its inner ones.
Absolutes number all pairs of the network (outer x 4096 + inner), so a lone outer VID covers 4096.
"""

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
from nexus.resources.vlan import VID_MAX, VID_MIN

_INNER_SPACE = 4_096


class SvlanGeometry(Geometry, frozen=True, kw_only=True):
    """Unit = outer VID, or pair of outer and inner VID."""

    outer: int
    """First outer VID."""
    inner: int
    """First inner VID; 0 where units are outer VIDs."""
    inner_count: int
    """Inner VIDs for each outer one; `_INNER_SPACE` where units are outer VIDs."""

    @property
    def paired(self) -> bool:
        """Whether units are pairs."""
        return self.inner > 0

    def space(self) -> tuple[int, int]:
        return self.absolute(0)[0], self.absolute(self.size - 1)[1]

    def overlaps(self, other: Geometry) -> bool:
        """Rectangles, not spans: two services may share outer VIDs and split the inner ones."""
        if not isinstance(other, SvlanGeometry):
            return False
        return (
            self.outer < other.outer + other._outer_count()
            and other.outer < self.outer + self._outer_count()
            and self.inner < other.inner + other.inner_count
            and other.inner < self.inner + self.inner_count
        )

    def _outer_count(self) -> int:
        return self.size // self.inner_count if self.paired else self.size

    def absolute(self, index: int) -> tuple[int, int]:
        if not self.paired:
            start = (self.outer + index) * _INNER_SPACE
            return start, start + _INNER_SPACE
        outer, inner = divmod(index, self.inner_count)
        start = (self.outer + outer) * _INNER_SPACE + self.inner + inner
        return start, start + 1

    def index_at(self, absolute: int) -> int | None:
        return self._index(*divmod(absolute, _INNER_SPACE))

    def _index(self, outer_vid: int, inner_vid: int) -> int | None:
        outer, inner = outer_vid - self.outer, inner_vid - self.inner
        if not 0 <= outer < self._outer_count() or not 0 <= inner < self.inner_count:
            return None
        return outer * self.inner_count + inner if self.paired else outer

    def format(self, index: int) -> str:
        if not self.paired:
            return str(self.outer + index)
        outer, inner = divmod(index, self.inner_count)
        return f"{self.outer + outer}.{self.inner + inner}"

    def parse(self, text: str, field: str | None = None) -> int:
        vids = _read_vids(text)
        if vids is None or (vids[1] > 0) is not self.paired:
            accepted = f"VLAN ids of {VID_MIN} to {VID_MAX} as 'outer.inner'"
            if not self.paired:
                accepted = f"a VLAN id of {VID_MIN} to {VID_MAX}"
            raise self.malformed(text, accepted, field)
        index = self._index(*vids)
        if index is None:
            raise self.outside(text)
        return index


def _read_vids(text: str) -> tuple[int, int] | None:
    """Outer and inner VID of ``"600.10"``; the inner one is 0 in ``"600"``."""
    outer_text, dot, inner_text = text.partition(".")
    outer = read_number(outer_text, VID_MIN, VID_MAX)
    inner = read_number(inner_text, VID_MIN, VID_MAX) if dot else 0
    return None if outer is None or inner is None else (outer, inner)


def _without_exclusions(spec: PoolSpec) -> SvlanGeometry:
    outer, outer_stop = checked_span("range", spec.range or "", VID_MIN, VID_MAX)
    inner, inner_count, size = 0, _INNER_SPACE, outer_stop - outer
    if spec.c_vlan is not None:
        inner, inner_stop = checked_span("c_vlan", spec.c_vlan, VID_MIN, VID_MAX)
        inner_count = inner_stop - inner
        size *= inner_count
    return SvlanGeometry(
        type="svlan",
        size=size,
        shard_count=even_shard_count(spec.sharding_factor, size),
        reserved=Ranges(),
        base=outer * _INNER_SPACE + inner,
        unit=1 if inner else _INNER_SPACE,
        outer=outer,
        inner=inner,
        inner_count=inner_count,
    )


def _exclusion_span(text: str, bare: SvlanGeometry) -> tuple[int, int]:
    """Half-open units of one exclusion: outer VIDs as ``"a-b"``, or pairs as ``"a.c-b.d"``."""
    per_outer = bare.inner_count if bare.paired else 1
    outers = read_span(text, bare.outer, bare.outer + bare.size // per_outer - 1)
    if outers is not None:
        return (outers[0] - bare.outer) * per_outer, (outers[1] - bare.outer) * per_outer
    first_text, dash, last_text = text.partition("-")
    first = _read_vids(first_text.strip())
    last = _read_vids(last_text.strip()) if dash else first
    start = bare._index(*first) if first and bare.paired else None
    end = bare._index(*last) if last and bare.paired else None
    if start is None or end is None or end < start:
        raise validation(
            "exclusions",
            "must be outer VLAN ids ('600', '600-610') or pairs ('600.10', '600.10-600.20') "
            f"inside the pool ({bare.format_range(0, bare.size)}), got {shown(text)}",
        )
    return start, end + 1


def _exclusion_text(text: str, bare: SvlanGeometry) -> str:
    start, stop = _exclusion_span(text, bare)
    if "." in text or not bare.paired:
        return bare.format_range(start, stop)
    per_outer = bare.inner_count
    return span_text(bare.outer + start // per_outer, bare.outer + stop // per_outer)


def geometry(spec: PoolSpec) -> SvlanGeometry:
    """Outer VIDs, or pairs, of the pool's ranges."""
    bare = _without_exclusions(spec)
    reserved = Ranges.of(_exclusion_span(text, bare) for text in spec.exclusions)
    return msgspec.structs.replace(bare, reserved=checked_reserved(reserved, bare.size, spec))


def normalise(spec: PoolSpec) -> PoolSpec:
    """Canonical texts of the ranges and the exclusions."""
    bare = _without_exclusions(spec)
    c_vlan = spec.c_vlan
    if c_vlan is not None:
        c_vlan = span_text(*checked_span("c_vlan", c_vlan, VID_MIN, VID_MAX))
    return msgspec.structs.replace(
        spec,
        range=span_text(*checked_span("range", spec.range or "", VID_MIN, VID_MAX)),
        c_vlan=c_vlan,
        exclusions=tuple(_exclusion_text(text, bare) for text in spec.exclusions),
    )


TYPE = ResourceType(
    name="svlan",
    required=("range",),
    optional=("c_vlan",),
    normalise=normalise,
    geometry=geometry,
)
