"""Hybrid logical clock: what wall clocks do in real life must not reorder causes."""

from __future__ import annotations

from random import Random

from nexus.crdt.hlc import AHEAD_US_MAX, HybridClock

NOW_US = 1_800_000_000_000_000


def test_a_stamp_is_wall_time_where_nothing_speaks_against_it() -> None:
    clock = HybridClock()
    assert [clock.tick(NOW_US + step) for step in (0, 0, 7)] == [NOW_US, NOW_US, NOW_US + 7]


def test_stamps_never_fall_when_the_wall_clock_stands_or_steps_back() -> None:
    rng = Random(3)
    clock, last = HybridClock(), 0
    for _ in range(2000):
        stamp = clock.tick(NOW_US + rng.choice((0, 0, -5_000_000, 7)))
        assert stamp >= last
        last = stamp


def test_what_follows_a_message_is_later_than_it() -> None:
    sender, receiver = HybridClock(), HybridClock()
    sent = sender.tick(NOW_US + 30_000_000)
    assert receiver.observe(sent, NOW_US)
    assert receiver.tick(NOW_US) == sent + 1


def test_an_old_message_does_not_set_the_clock_back() -> None:
    clock = HybridClock(last=NOW_US)
    assert clock.observe(NOW_US - 9, NOW_US)
    assert clock.last == NOW_US


def test_a_peer_far_ahead_drags_nobody_along() -> None:
    clock = HybridClock()
    assert clock.observe(NOW_US + AHEAD_US_MAX, NOW_US)
    adopted = clock.last
    assert not clock.observe(NOW_US + AHEAD_US_MAX + 1, NOW_US)
    assert clock.last == adopted


def test_a_wall_clock_that_was_far_ahead_is_forgotten_once_it_is_right() -> None:
    clock = HybridClock()
    clock.tick(NOW_US + 10 * AHEAD_US_MAX)
    assert clock.tick(NOW_US) == NOW_US


def test_a_restart_goes_on_from_the_stamp_it_was_given() -> None:
    assert HybridClock(last=NOW_US).tick(NOW_US - 60_000_000) == NOW_US
