"""The clocks of one machine of a cluster in memory, told by true time."""

from __future__ import annotations

from typing import Protocol

from nexus.model.time import NS_PER_S, Instant

WALL_ORIGIN_NS = 1_800_000_000 * NS_PER_S


class World(Protocol):
    """Whoever knows true time."""

    now_ns: int


class NodeClock:
    """All clocks of one machine, each told by true time: rates, steps and stops."""

    def __init__(self, world: World, drift_ppm: int = 0, wall_ahead_ns: int = 0) -> None:
        self._world = world
        self._seen_ns = world.now_ns
        self._drift_ppm = drift_ppm
        self.mono_ns = NS_PER_S
        self.boot_ns = NS_PER_S
        self.wall_ns = WALL_ORIGIN_NS + wall_ahead_ns

    def read(self) -> Instant:
        """The clocks now."""
        passed = max(0, self._world.now_ns - self._seen_ns)
        self._seen_ns += passed
        local = passed + passed * self._drift_ppm // 1_000_000
        self.mono_ns += local
        self.boot_ns += local
        self.wall_ns += local
        return Instant(self.mono_ns, self.boot_ns, self.wall_ns)

    def true_ns(self, mono_ns: int) -> int:
        """True time at which the monotonic clock shall show this."""
        left = max(0, mono_ns - self.read().mono_ns)
        return self._world.now_ns + -(-left * 1_000_000 // (1_000_000 + self._drift_ppm))

    def suspend(self, duration_ns: int) -> None:
        """The monotonic clock has stood still for a while that the others have counted."""
        self.read()
        self.mono_ns -= duration_ns

    def miss(self, duration_ns: int) -> None:
        """All clocks stand still for a while, beginning now."""
        self.read()
        self._seen_ns += duration_ns

    def step_wall(self, by_ns: int) -> None:
        """Somebody set the wall clock."""
        self.read()
        self.wall_ns += by_ns

    def reboot(self) -> None:
        """The machine starts anew."""
        self.read()
        self.mono_ns = self.boot_ns = NS_PER_S // 1000
