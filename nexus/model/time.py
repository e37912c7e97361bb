"""Instants and durations: integers, units in the names.

A node never asks what time it is; the driver reads the machine's clocks and hands an `Instant` in
with every event.  Durations and instants of the core are nanoseconds; wall-clock stamps that only
people read (audit, ``timestamp`` in replies) are microseconds since the Unix epoch, which is the
precision of the API.
"""

from __future__ import annotations

import msgspec

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
US_PER_S = 1_000_000


class Instant(msgspec.Struct, frozen=True, gc=False):
    """One reading of all clocks of a machine, in nanoseconds.

    mono_ns  monotonic clock: never steps, may stop while the machine is suspended
    boot_ns  boot-time clock: never steps, runs on while the machine is suspended
    wall_ns  wall clock, ns since the Unix epoch: may step either way
    """

    mono_ns: int
    boot_ns: int
    wall_ns: int

    @property
    def wall_us(self) -> int:
        """Wall clock in microseconds since the Unix epoch, for stamps that people read."""
        return self.wall_ns // NS_PER_US


def seconds_to_ns(seconds: float) -> int:
    """Whole nanoseconds of a duration in seconds."""
    return round(seconds * NS_PER_S)
