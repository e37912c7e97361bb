"""The three timelines that the protocol distinguishes (R5, R11), from the clocks of one machine.

``fast``  advances with the fastest clock: holding, telling and `ack_limit` count on it, so that a
          holder stops early rather than late.
``slow``  advances with the slower of the monotonic and the boot-time clock: voters' timers,
          quarantine and reuse count on it, so that a waiter waits too long rather than too short.
          It is continued over restarts: an instant on it stays meaningful, and time that nobody
          can vouch for has simply not passed.
``told``  advances with the boot-time clock: the ``ends`` of leases run on it (wall steps do not
          move them); over a reboot it is continued by the wall clock.

All three are nanoseconds from an arbitrary origin, and none ever goes back.

Readings are compared with an anchor that moves once a second, not with the reading before: three
clocks are read one after the other, and taking the minimum of every tiny step would add the
reading noise of each into a drift of its own.  A step that no noise explains moves the anchor at
once, which is R5 to the letter.
"""

from __future__ import annotations

import msgspec

from nexus.model.time import NS_PER_S, NS_PER_US, Instant

ANCHOR_NS = NS_PER_S
"""Readings are compared with an anchor at most this old."""
WITNESS_SLACK_NS = 100_000_000
STEP_NS = 200_000
"""Clocks that disagree by more than this since the anchor have stepped or stopped."""


class ClockMark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The timelines beside the clocks they were read from: what a log keeps of time (R11)."""

    boot_id: str
    mono_ns: int
    boot_ns: int
    wall_ns: int
    slow: int
    told: int


def r5_fast_step(mono_ns: int, boot_ns: int, wall_ns: int) -> int:
    """Step of the holder's timeline: the largest forward step of all clocks."""
    # Comparisons, not max(): this is asked in every event, and a call of a builtin costs thrice.
    step = mono_ns if mono_ns > boot_ns else boot_ns
    return wall_ns if wall_ns > step else step


def r5_slow_step(mono_ns: int, boot_ns: int) -> int:
    """Step of the waiter's timeline: the smaller one; the wall clock does not count."""
    return mono_ns if mono_ns < boot_ns else boot_ns


def r5_witnessed_step(own_ns: int, voter_ns: int) -> int:
    """What a voter's clock has counted beyond our own fast one: a stop that we did not see."""
    return max(0, voter_ns - own_ns)


def r11_slow_elapsed(
    mark: ClockMark, boot_id: str, now: Instant, clock_error_bound_ns: int | None
) -> int:
    """Time that has surely passed since ``mark``.

    In the same boot it is exact.  After a reboot at least the time since boot has passed; the
    wall clock adds to it only where a bound of its error is stated, less that error at both ends.
    """
    if boot_id == mark.boot_id:
        return max(0, r5_slow_step(now.mono_ns - mark.mono_ns, now.boot_ns - mark.boot_ns))
    elapsed = r5_slow_step(now.mono_ns, now.boot_ns)
    if clock_error_bound_ns is not None:
        elapsed = max(elapsed, now.wall_ns - mark.wall_ns - 2 * clock_error_bound_ns)
    return max(0, elapsed)


def r11_told_elapsed(mark: ClockMark, boot_id: str, now: Instant) -> int:
    """Time by which the told ends of leases have moved since ``mark``."""
    if boot_id == mark.boot_id:
        return max(0, now.boot_ns - mark.boot_ns)
    return max(0, now.boot_ns, now.wall_ns - mark.wall_ns)


def r11_most_elapsed(
    mark: ClockMark, boot_id: str, now: Instant, rtc_error_bound_ns: int
) -> int | None:
    """The longest time that can have passed since ``mark``, None where no clock can say.

    After a reboot only a wall clock that ran on, of a stated error, counts; one that is further
    behind than the machine has been up is surely wrong.
    """
    if boot_id == mark.boot_id:
        return r5_fast_step(
            now.mono_ns - mark.mono_ns, now.boot_ns - mark.boot_ns, now.wall_ns - mark.wall_ns
        )
    elapsed = now.wall_ns - mark.wall_ns + 2 * rtc_error_bound_ns
    return elapsed if elapsed >= r5_fast_step(now.mono_ns, now.boot_ns, 0) else None


class NodeClocks:
    """The timelines of one running node; `advance` is called first thing in every event."""

    __slots__ = (
        "_anchor",
        "_anchor_fast",
        "_anchor_slow",
        "_told_ahead",
        "_witnesses",
        "fast",
        "now",
        "slow",
        "told",
        "wall_us",
    )

    def __init__(self, now: Instant, *, slow: int = 0, told: int = 0) -> None:
        self.now = now
        self.fast = slow
        self.slow = slow
        self.told = told
        """The timeline of the ends of leases."""
        self.wall_us = now.wall_us
        """The wall clock of this event, for stamps that people read: one number for all of them."""
        self._told_ahead = told - slow
        self._anchor = now
        self._anchor_fast = slow
        self._anchor_slow = slow
        self._witnesses: dict[str, tuple[int, int]] = {}
        """Voter -> (its clock, our fast one) at one moment."""

    def advance(self, now: Instant) -> None:
        """Take one reading."""
        anchor = self._anchor
        mono = now.mono_ns - anchor.mono_ns
        boot = now.boot_ns - anchor.boot_ns
        wall = now.wall_ns - anchor.wall_ns
        fast = self._anchor_fast + r5_fast_step(mono, boot, wall)
        slow = self._anchor_slow + r5_slow_step(mono, boot)
        if fast > self.fast:
            self.fast = fast
        if slow > self.slow:
            self.slow = slow
            self.told = slow + self._told_ahead
        self.now = now
        self.wall_us = now.wall_ns // NS_PER_US
        if boot > ANCHOR_NS or not -STEP_NS < wall - boot < STEP_NS or boot - mono > STEP_NS:
            self._move_anchor(now, boot)

    def witness(self, voter: str, clock_ns: int) -> None:
        """A voter's answer carries its clock (R5, nodes without a running clock of their own)."""
        known = self._witnesses.setdefault(voter, (clock_ns, self.fast))
        step = r5_witnessed_step(self.fast - known[1], clock_ns - known[0])
        if step:
            self.fast += step
            self._move_anchor(self.now, self.now.boot_ns - self._anchor.boot_ns)
        elif (self.fast - known[1]) - (clock_ns - known[0]) > WITNESS_SLACK_NS:
            # We are ahead by more than messages vary: a stop must not hide behind that.
            self._witnesses[voter] = (clock_ns, self.fast)

    def _move_anchor(self, now: Instant, boot_step: int) -> None:
        """Start a new comparison; told leads slow by what the slow clock slept through."""
        slept = boot_step - (self.slow - self._anchor_slow)
        if slept > STEP_NS:
            self._told_ahead += slept
            self.told += slept
        self._anchor = now
        self._anchor_fast = self.fast
        self._anchor_slow = self.slow

    def mark(self, boot_id: str) -> ClockMark:
        """What to write into the log beside whatever is dated by these timelines."""
        now = self.now
        return ClockMark(boot_id, now.mono_ns, now.boot_ns, now.wall_ns, self.slow, self.told)

    def mono_at(self, *, fast: int | None = None, slow: int | None = None) -> int:
        """A monotonic instant at which it is worth looking at a deadline of a timeline again.

        The monotonic clock may run slower than ``fast``: an alarm by it can come late, which is
        why every deadline is also compared when it is used (R9).
        """
        if fast is not None:
            return self.now.mono_ns + fast - self.fast
        assert slow is not None
        return self.now.mono_ns + slow - self.slow


def continued(
    mark: ClockMark | None, boot_id: str, now: Instant, clock_error_bound_ns: int | None
) -> NodeClocks:
    """Clocks of a process that starts now, continuing the timelines of its log."""
    if mark is None:
        return NodeClocks(now, slow=NS_PER_S, told=NS_PER_S)
    slow = mark.slow + r11_slow_elapsed(mark, boot_id, now, clock_error_bound_ns)
    told = mark.told + r11_told_elapsed(mark, boot_id, now)
    return NodeClocks(now, slow=slow, told=max(told, slow))


def guard_ns(duration_ns: int, drift_ppm: int) -> int:
    """``2 r d / (1 - r)``: by how much two clocks within the drift bound may disagree over d."""
    if duration_ns <= 0:
        return 0
    return -(-2 * drift_ppm * duration_ns // (1_000_000 - drift_ppm))


def stretched_ns(duration_ns: int, drift_ppm: int) -> int:
    """``d (1 + r) / (1 - r)``: how long a waiter waits for a holder's duration d to have passed."""
    return duration_ns + guard_ns(duration_ns, drift_ppm)
