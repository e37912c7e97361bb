"""Clocks of a simulated machine: a drifting oscillator, suspends, reboots, a wall clock that steps.

The monotonic and the boot-time clock share the oscillator; the first stops in a suspend.  The wall
clock is disciplined by others and has a rate of its own.  Everything is whole nanoseconds, so a
reading is the same on every machine that runs the simulation.
"""

from __future__ import annotations

from typing import Protocol

from nexus.model.time import Instant

PPB = 1_000_000_000
WALL_EPOCH_NS = 1_800_000_000 * PPB
"""Wall clock at true time zero, on a machine whose clock is right."""


class TrueTime(Protocol):
    """What a clock needs of the environment."""

    @property
    def now_ns(self) -> int: ...


class MachineClock:
    """Also the driver's Clock port: `read` gives all three."""

    __slots__ = (
        "_base",
        "_boot",
        "_mono",
        "_now",
        "_rate",
        "_stopped",
        "_wall",
        "_wall_rate",
        "last",
        "suspended",
    )

    def __init__(
        self, now: TrueTime, *, rate_ppb: int, wall_rate_ppb: int, wall_error_ns: int = 0
    ) -> None:
        self._now = now
        self._rate = rate_ppb
        self._wall_rate = wall_rate_ppb
        self._base = now.now_ns
        self._mono = 0
        self._boot = 0
        self._wall = WALL_EPOCH_NS + now.now_ns + wall_error_ns
        self.suspended = False
        self._stopped: Instant | None = None
        self.last = self.read()
        """The latest reading: what the node's present step goes by."""

    def read(self) -> Instant:
        """All clocks now, as the process sees them."""
        self.last = reading = self.peek()
        return reading

    def peek(self) -> Instant:
        """All clocks now, for the world's own use."""
        if self._stopped is not None:
            return self._stopped
        passed = self._now.now_ns - self._base
        ticked = passed + passed * self._rate // PPB
        mono = self._mono if self.suspended else self._mono + ticked
        wall = self._wall + passed + passed * self._wall_rate // PPB
        return Instant(mono, self._boot + ticked, wall)

    def true_at_mono(self, mono_ns: int) -> int:
        """True instant at which the monotonic clock, running on as now, shows at least this."""
        left = mono_ns - self._mono
        if left <= 0:
            return self._now.now_ns
        return self._base - (-left * PPB // (PPB + self._rate)) + 1

    def _rebase(self) -> None:
        reading = self.peek()
        self._base = self._now.now_ns
        self._mono, self._boot, self._wall = reading.mono_ns, reading.boot_ns, reading.wall_ns

    def suspend(self) -> None:
        """The monotonic clock stops, the boot-time clock runs on."""
        self._rebase()
        self.suspended = True

    def resume(self) -> None:
        """The monotonic clock runs again."""
        self._rebase()
        self.suspended = False

    def step_wall(self, by_ns: int) -> None:
        """Somebody sets the wall clock."""
        self._rebase()
        self._wall += by_ns

    def set_wall_error(self, error_ns: int) -> None:
        """Somebody sets the wall clock to true time plus an error."""
        self._rebase()
        self._wall = WALL_EPOCH_NS + self._now.now_ns + error_ns

    def stop(self) -> None:
        """Every clock of the machine stops, the wall clock too (no clock runs on)."""
        self._rebase()
        self._stopped = self.peek()

    def go_on(self) -> None:
        """They all go on where they were."""
        assert self._stopped is not None
        self._rebase()
        self._mono, self._boot, self._wall = (
            self._stopped.mono_ns,
            self._stopped.boot_ns,
            self._stopped.wall_ns,
        )
        self._stopped = None

    def set_rate(self, rate_ppb: int) -> None:
        """The oscillator runs at another rate from now on."""
        self._rebase()
        self._rate = rate_ppb

    def reboot(self, wall_error_ns: int) -> None:
        """Monotonic and boot-time clock start at zero; the wall clock comes from the RTC."""
        self.suspended = False
        self._rebase()
        self._mono = self._boot = 0
        self._wall = WALL_EPOCH_NS + self._now.now_ns + wall_error_ns

    @property
    def rate_ppb(self) -> int:
        """By how much the oscillator runs fast."""
        return self._rate
