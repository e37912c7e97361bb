"""Hybrid logical clock: stamps that follow causes and stay near wall time (R20).

A stamp is microseconds since the Unix epoch, so it can be shown to people: wall time where this
node's clock is not behind what it has heard of, else just after that.  What happens here after a
message is later than what the message told of, whatever the two wall clocks say, and a wall clock
that steps back a little changes nothing.

A clock that is far off must not drag the others along, nor keep its own node in the future once it
is set right.  So a stamp further ahead than `ahead_us_max` is not adopted, and the node's own last
stamp is dropped when the wall clock falls behind it by more than that.

What may not live here: reading a clock (wall time is told), safety (no rule of ownership compares
stamps; they say which of two allocations of one subscriber is younger, and nothing else).

Reference: Kulkarni et al. 2014, "Logical Physical Clocks".
"""

from __future__ import annotations

AHEAD_US_MAX = 60_000_000
"""A minute: many times `clock_error_bound` of a core node, and harmless as an error in a stamp."""


class HybridClock:
    """One node's clock; ``last`` is the lowest stamp that may be given next."""

    __slots__ = ("_ahead_us_max", "last")

    def __init__(self, last: int = 0, ahead_us_max: int = AHEAD_US_MAX) -> None:
        self.last = last
        self._ahead_us_max = ahead_us_max

    def tick(self, wall_us: int) -> int:
        """Stamp for something that happens here, above every stamp adopted before."""
        if wall_us >= self.last or self.last - wall_us > self._ahead_us_max:
            self.last = wall_us
        return self.last

    def observe(self, stamp: int, wall_us: int) -> bool:
        """Adopt a peer's stamp, so that what happens here next is later than it.

        Returns
        -------
        bool
            False if it is too far ahead of our wall clock to be adopted (worth counting: one of
            the two clocks is wrong).
        """
        if stamp - wall_us > self._ahead_us_max:
            return False
        if stamp >= self.last:
            self.last = stamp + 1
        return True
