"""What every resource type shares: units, shards, and the form of a type.

A pool is a row of units numbered 0..size-1; one allocation is one unit.  The engine knows only unit
indexes, so all that differs between an address, a prefix, a VLAN and a port block is how an index
is written and read.  *Absolute* numbers are the finest grain of a type (addresses, VIDs, ports):
they mean the same in every pool of the type, which is what overlap checks and R10 over pool
generations compare.  No type may know pools, owners or leases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import msgspec

from nexus.errors import NexusError, validation
from nexus.model.ids import shown
from nexus.model.pool import PoolSpec
from nexus.model.ranges import Ranges

SHARDS_MAX = 1_024
SHARD_UNITS_AIM = 256
"""Units a shard when the number of shards is automatic."""
UNITS_MAX = 1 << 64
"""Most units of a pool: an index fits the 64 bits that fingerprints and logs give it."""
EXCLUSIONS_MAX = 1_000


class Geometry(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a `PoolSpec`: size, shards, reserved units, and the text of each unit."""

    FIELD: ClassVar[str] = "resource"
    """The request's word for one resource of this type, in refusals."""

    type: str
    size: int
    """Units, reserved ones included."""
    shard_count: int
    reserved: Ranges
    """Unit indexes that are never given: exclusions, gateway, network, broadcast."""
    base: int
    """Absolute number at which unit 0 starts."""
    unit: int = 1
    """Absolute numbers that one unit covers."""
    gateway: str | None = None

    def shard_of(self, index: int) -> int:
        """The shard that holds a unit; inverse of `shard_range`."""
        return ((index + 1) * self.shard_count - 1) // self.size

    def shard_range(self, shard: int) -> tuple[int, int]:
        """Half-open unit indexes of a shard; sizes differ by at most one unit.

        Powers of two divide evenly here, so shards of IP pools come out equal and aligned.
        """
        size, count = self.size, self.shard_count
        return shard * size // count, (shard + 1) * size // count

    def space(self) -> tuple[int, int]:
        """Absolute half-open span of the whole pool."""
        return self.base, self.base + self.size * self.unit

    def overlaps(self, other: Geometry) -> bool:
        """Whether a unit here and a unit of another pool of the same type share an absolute."""
        if self.type != other.type:
            return False
        (start, stop), (other_start, other_stop) = self.space(), other.space()
        return start < other_stop and other_start < stop

    def absolute(self, index: int) -> tuple[int, int]:
        """Absolute half-open span of one unit."""
        start = self.base + index * self.unit
        return start, start + self.unit

    def index_at(self, absolute: int) -> int | None:
        """The unit that covers an absolute number, None outside the pool."""
        index = (absolute - self.base) // self.unit
        return index if 0 <= index < self.size else None

    def ip(self, index: int) -> str | None:
        """The bare address of a unit; None for types without one."""
        return None

    def prefix(self) -> int | None:
        """Delegated prefix length; None where a unit is no prefix."""
        return None

    def format(self, index: int) -> str:
        """The text of one unit, the ``resource`` of a reply."""
        raise NotImplementedError

    def format_range(self, start: int, stop: int) -> str:
        """The text of the units ``start..stop-1``, at least one."""
        first, last = self.format(start), self.format(stop - 1)
        return first if start + 1 == stop else f"{first}-{last}"

    def parse(self, text: str, field: str | None = None) -> int:
        """The unit that a text names; reserved units are fine here.

        Raises
        ------
        NexusError : validation_failed if malformed, resource_outside_pool if not in this pool.
        """
        raise NotImplementedError

    def outside(self, text: str) -> NexusError:
        """The refusal of a well-formed resource of another place."""
        accepted = self.format_range(0, self.size)
        return NexusError("resource_outside_pool", f"{shown(text)} is not in the pool ({accepted})")

    def malformed(self, text: object, accepted: str, field: str | None) -> NexusError:
        """The refusal of a text that names no resource of this type at all."""
        return validation(field or self.FIELD, f"must be {accepted}, got {shown(text)}")


class ResourceType(msgspec.Struct, frozen=True):
    """One row of the registry: how a type reads a definition."""

    name: str
    required: tuple[str, ...]
    """Fields of the space that a definition must give."""
    optional: tuple[str, ...]
    """Fields of the space that it may give; any other field of the space is refused."""
    normalise: Callable[[PoolSpec], PoolSpec]
    """Canonical texts, so that equal definitions are equal values; raises NexusError."""
    geometry: Callable[[PoolSpec], Geometry]
    """What follows from a definition, canonical or not; raises NexusError."""


def even_shard_count(asked: int, size: int) -> int:
    """Shards of a pool whose units have no binary order; 0 asks for the automatic number."""
    if asked == 0:
        asked = (size + SHARD_UNITS_AIM // 2) // SHARD_UNITS_AIM
    return max(1, min(asked, size, SHARDS_MAX))


def binary_shard_count(asked: int, size: int) -> int:
    """Shards of a pool of 2^n units: a power of two, so that shards are equal and aligned."""
    if asked == 0:
        asked = size // SHARD_UNITS_AIM
    return min(1 << max(0, asked - 1).bit_length(), size, SHARDS_MAX)


def checked_size(size: int, field: str, value: str) -> int:
    """The size, refused if an index could not be written in 64 bits."""
    if size > UNITS_MAX:
        raise validation(
            field,
            f"{shown(value)} makes 2^{size.bit_length() - 1} units, accepted: at most 2^64",
        )
    return size


def checked_reserved(reserved: Ranges, size: int, spec: PoolSpec) -> Ranges:
    """The reserved units, refused if they leave nothing to give out."""
    if reserved.count < size:
        return reserved
    field = "exclusions" if spec.exclusions else "gateway"
    value = ", ".join(spec.exclusions) if spec.exclusions else spec.gateway
    raise validation(
        field, f"{shown(value)} leaves none of the pool's {size} units, accepted: at least one left"
    )
