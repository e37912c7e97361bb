"""Hybrid logical clock: stamps that rise strictly, follow causes, and stay near wall time.

A stamp is one integer, ``wall_us << 10 | counter``: it sorts as a number, fits 63 bits until the
year 2255, and reads back as microseconds.  The counter overflows into the microseconds, which only
means that the clock runs a little ahead.  A wall clock that steps back changes nothing: the clock
goes on from its last stamp.

A peer whose clock is far ahead would drag everyone with it, for ever.  So a stamp further ahead
than `ahead_us_max` is not adopted; the fact it came with is, because facts are ordered by causal
length first.

What may not live here: reading a clock (wall time is told), safety (no rule of ownership compares
stamps; they order what people see, and which of two allocations of one subscriber is younger, R20).

Reference: Kulkarni et al. 2014, "Logical Physical Clocks".
"""

from __future__ import annotations

COUNTER_BITS = 10
AHEAD_US_MAX = 60_000_000
"""A minute: many times `clock_error_bound` of a core node, and harmless as an error in a stamp."""


def stamp_of(wall_us: int) -> int:
    """Smallest stamp of this microsecond."""
    return wall_us << COUNTER_BITS


def wall_us_of(stamp: int) -> int:
    """Microseconds since the Unix epoch that a stamp stands for."""
    return stamp >> COUNTER_BITS


class HybridClock:
    """One node's clock; ``last`` is the newest stamp given or adopted."""

    __slots__ = ("_ahead_us_max", "last")

    def __init__(self, last: int = 0, ahead_us_max: int = AHEAD_US_MAX) -> None:
        self.last = last
        self._ahead_us_max = ahead_us_max

    def tick(self, wall_us: int) -> int:
        """Stamp for something that happens here, above every stamp given or adopted before."""
        self.last = max(self.last + 1, wall_us << COUNTER_BITS)
        return self.last

    def observe(self, stamp: int, wall_us: int) -> bool:
        """Adopt a peer's stamp, so that what happens here next is later than it.

        Returns
        -------
        bool
            False if it is too far ahead of our wall clock to be adopted (worth counting: one of
            the two clocks is wrong).
        """
        if stamp >> COUNTER_BITS > wall_us + self._ahead_us_max:
            return False
        self.last = max(self.last, stamp)
        return True
