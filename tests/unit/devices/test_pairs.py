"""Joining and leaving a site, as functions of a seat."""

from __future__ import annotations

import pytest

from nexus.devices.pairs import Seat, joined, left
from nexus.errors import NexusError


def test_first_is_active_second_is_standby_third_is_refused():
    alone = joined(None, "a", "s1")
    pair = joined(alone, "b", "s1")
    assert (alone, pair) == (Seat("a"), Seat("a", "b"))
    with pytest.raises(NexusError, match="site s1 already has 2 devices") as refused:
        joined(pair, "c", "s1")
    assert refused.value.code == "site_full"


@pytest.mark.parametrize("serial", ["a", "b"])
def test_joining_again_is_the_same_seat(serial):
    assert joined(Seat("a", "b"), serial, "s1") == Seat("a", "b")


def test_who_stays_is_active():
    assert left(Seat("a", "b"), "a") == Seat("b")
    assert left(Seat("a", "b"), "b") == Seat("a")
    assert left(Seat("a"), "a") is None


def test_roles_and_partners_follow_from_the_seat():
    seat = Seat("a", "b")
    assert (seat.role_of("a"), seat.role_of("b")) == ("active", "standby")
    assert (seat.partner_of("a"), seat.partner_of("b"), Seat("a").partner_of("a")) == (
        "b",
        "a",
        None,
    )
