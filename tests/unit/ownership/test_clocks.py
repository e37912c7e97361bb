"""The three timelines: R5 (fast and slow) and R11 (restarts)."""

from __future__ import annotations

import pytest

from nexus.model.time import NS_PER_S, Instant
from nexus.ownership import clocks as rules
from nexus.ownership.clocks import ClockMark, NodeClocks, continued

S = NS_PER_S
MARK = ClockMark("boot-1", 10 * S, 20 * S, 1_000 * S, 70 * S, 80 * S)


def test_r5_a_holder_goes_by_its_fastest_clock_a_waiter_by_its_slower_one():
    assert rules.r5_fast_step(1, 2, 3) == 3
    assert rules.r5_fast_step(3, 2, -9) == 3
    assert rules.r5_slow_step(1, 2) == 1
    assert rules.r5_slow_step(2, 1) == 1


@pytest.mark.parametrize(
    ("mono", "boot", "wall", "fast", "slow", "told"),
    [
        (10, 10, 10, 10, 10, 10),  # nothing special
        (10, 60, 60, 60, 10, 60),  # slept for 50 s
        (10, 10, 60, 60, 10, 10),  # the wall clock was set forward
        (10, 10, -60, 10, 10, 10),  # and back
    ],
)
def test_r5_steps_of_each_timeline(mono, boot, wall, fast, slow, told):
    begun = Instant(0, 0, 500 * S)
    clocks = NodeClocks(begun, slow=S, told=S)
    clocks.advance(Instant(mono * S, boot * S, (500 + wall) * S))
    seen = (clocks.fast - S, clocks.slow - S, clocks.told - S)
    assert seen == (fast * S, slow * S, told * S)


def test_r5_no_timeline_goes_back():
    clocks = NodeClocks(Instant(0, 0, 500 * S), slow=S, told=S)
    clocks.advance(Instant(5 * S, 5 * S, 900 * S))
    before = (clocks.fast, clocks.slow, clocks.told)
    clocks.advance(Instant(5 * S, 5 * S, 100 * S))
    assert (clocks.fast, clocks.slow, clocks.told) == before


@pytest.mark.parametrize(
    ("boot_id", "now", "bound", "passed"),
    [
        ("boot-1", Instant(13 * S, 25 * S, 0), None, 3),
        ("boot-1", Instant(13 * S, 25 * S, 9_999 * S), 0, 3),
        ("boot-2", Instant(4 * S, 5 * S, 9_999 * S), None, 4),
        ("boot-2", Instant(4 * S, 5 * S, 1_100 * S), 10 * S, 80),
        ("boot-2", Instant(4 * S, 5 * S, 1_010 * S), 10 * S, 4),
        ("boot-2", Instant(4 * S, 5 * S, 0), 10 * S, 4),
    ],
)
def test_r11_time_that_has_surely_passed(boot_id, now, bound, passed):
    assert rules.r11_slow_elapsed(MARK, boot_id, now, bound) == passed * S


@pytest.mark.parametrize(
    ("boot_id", "now", "passed"),
    [
        ("boot-1", Instant(13 * S, 25 * S, 9_999 * S), 5),
        ("boot-2", Instant(4 * S, 5 * S, 1_100 * S), 100),
        ("boot-2", Instant(4 * S, 5 * S, 0), 5),
    ],
)
def test_r11_ends_run_on_by_the_boot_clock_then_by_the_wall_clock(boot_id, now, passed):
    assert rules.r11_told_elapsed(MARK, boot_id, now) == passed * S


def test_r11_a_restart_continues_the_timelines_of_the_log():
    now = Instant(4 * S, 5 * S, 1_100 * S)
    clocks = continued(MARK, "boot-2", now, None)
    assert (clocks.slow, clocks.told) == (74 * S, 180 * S)
    again = clocks.mark("boot-2")
    assert (again.slow, again.told, again.boot_id) == (74 * S, 180 * S, "boot-2")


@pytest.mark.parametrize(
    ("duration", "ppm", "guard"),
    [(0, 1_000, 0), (-5, 1_000, 0), (1_000_000, 0, 0), (1_000_000, 1_000, 2_003), (9, 100_000, 2)],
)
def test_r10_the_guard_is_what_two_clocks_may_disagree_by_rounded_up(duration, ppm, guard):
    assert rules.guard_ns(duration, ppm) == guard
    assert rules.stretched_ns(duration, ppm) == duration + guard


@pytest.mark.parametrize(
    ("boot_id", "now", "most"),
    [
        ("boot-1", (160, 170, 1_050), 70 * S),  # the fastest clock, exactly
        ("boot-1", (160, 160, 1_500), 500 * S),  # a wall clock that was set forward counts too
        ("boot-2", (3, 3, 1_600), 610 * S),  # off for ten minutes, 5 s of error at both ends
        ("boot-2", (3, 3, 994), 4 * S),  # within the error
        ("boot-2", (30, 30, 1_010), None),  # up for 30 s, but only 20 s have passed at most: wrong
        ("boot-2", (3, 3, 0), None),  # a battery that is dead
    ],
)
def test_r11_the_longest_time_that_can_have_passed(boot_id, now, most):
    mono, boot, wall = (second * S for second in now)
    instant = Instant(mono, boot, wall)
    kept = ClockMark("boot-1", 100 * S, 100 * S, 1_000 * S, 5, 5)
    assert rules.r11_most_elapsed(kept, boot_id, instant, 5 * S) == most
