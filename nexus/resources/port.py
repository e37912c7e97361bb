"""Transport ports: one allocation is one port, or one block of ``block_size`` ports.

Blocks are the CGNAT practice (RFC 6888 requirement 14, RFC 7422): one log line a subscriber instead
of one a flow.  Blocks start where the range starts and must fill it, so that no port of the pool is
silently out of reach.
"""

from __future__ import annotations

import msgspec

from nexus.errors import validation
from nexus.model.pool import PoolSpec
from nexus.model.ranges import Ranges
from nexus.resources.base import (
    Geometry,
    ResourceType,
    checked_reserved,
    even_shard_count,
)
from nexus.resources.numbers import checked_span, read_number, read_span, span_text
from nexus.resources.vlan import exclusion_span

PORT_MIN = 1
PORT_MAX = 65_535


class PortGeometry(Geometry, frozen=True, kw_only=True):
    """Unit = block of `Geometry.unit` ports."""

    def format(self, index: int) -> str:
        start = self.base + index * self.unit
        return str(start) if self.unit == 1 else f"{start}-{start + self.unit - 1}"

    def format_range(self, start: int, stop: int) -> str:
        return span_text(self.base + start * self.unit, self.base + stop * self.unit)

    def parse(self, text: str, field: str | None = None) -> int:
        if self.unit == 1:
            port = read_number(text, PORT_MIN, PORT_MAX)
            span = None if port is None else (port, port + 1)
        else:
            span = read_span(text, PORT_MIN, PORT_MAX)
        if span is None:
            raise self.malformed(text, self._accepted(), field)
        offset = span[0] - self.base
        inside = 0 <= offset < self.size * self.unit and span[1] <= self.space()[1]
        if not inside:
            raise self.outside(text)
        if offset % self.unit or span[1] - span[0] != self.unit:
            raise self.malformed(text, self._accepted(), field)
        return offset // self.unit

    def _accepted(self) -> str:
        if self.unit == 1:
            return f"a port of {PORT_MIN} to {PORT_MAX}"
        return f"a block of {self.unit} ports such as {self.format(0)}"


def geometry(spec: PoolSpec) -> PortGeometry:
    """Blocks of the pool's range."""
    start, stop, unit = _blocks(spec)
    size = (stop - start) // unit
    excluded = (exclusion_span(text, start, stop) for text in spec.exclusions)
    reserved = Ranges.of(
        ((low - start) // unit, -((start - high) // unit)) for low, high in excluded
    )
    return PortGeometry(
        type="port",
        size=size,
        shard_count=even_shard_count(spec.sharding_factor, size),
        reserved=checked_reserved(reserved, size, spec),
        base=start,
        unit=unit,
    )


def _blocks(spec: PoolSpec) -> tuple[int, int, int]:
    start, stop = checked_span("range", spec.range or "", PORT_MIN, PORT_MAX)
    unit = max(1, spec.block_size)
    if (stop - start) % unit:
        ports = stop - start
        raise validation(
            "block_size",
            f"must divide the {ports} ports of {span_text(start, stop)} evenly, "
            f"accepted: a divisor of {ports}, got {unit}",
        )
    return start, stop, unit


def normalise(spec: PoolSpec) -> PoolSpec:
    """Canonical texts of the range and the exclusions; no block size means blocks of one."""
    start, stop, unit = _blocks(spec)
    return msgspec.structs.replace(
        spec,
        range=span_text(start, stop),
        block_size=0 if unit == 1 else unit,
        exclusions=tuple(span_text(*exclusion_span(text, start, stop)) for text in spec.exclusions),
    )


TYPE = ResourceType(
    name="port",
    required=("range",),
    optional=("block_size",),
    normalise=normalise,
    geometry=geometry,
)
