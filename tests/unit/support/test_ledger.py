"""The ledger rings for each kind of broken promise, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ledger import Ledger, LedgerError


def allocation(subscriber: str, ip: str, ends: str = "") -> dict[str, Any]:
    found = {"subscriber_id": subscriber, "ip": ip}
    return {**found, "expires_at": ends} if ends else found


@pytest.fixture
def ledger() -> Ledger:
    """Subscriber a holds .1 until noon."""
    ledger = Ledger(cooldown_s=60)
    ledger.begin("a", "allocate")
    ledger.acknowledge("a", allocation("a", "10.0.0.1", "noon"))
    return ledger


def test_what_stands_is_fine(ledger: Ledger) -> None:
    assert ledger.settle([allocation("a", "10.0.0.1", "noon")]) == 1
    assert ledger.acknowledged == 1


@pytest.mark.parametrize(
    ("listed", "story"),
    [
        ([], "acknowledged and is lost"),
        ([allocation("a", "10.0.0.2", "noon")], "and has 10.0.0.2 now"),
        ([allocation("a", "10.0.0.1", "one")], "noon was told, one is kept"),
        ([allocation("a", "10.0.0.1", "noon"), allocation("a", "10.0.0.2")], "listed twice"),
        ([allocation("a", "10.0.0.1", "noon"), allocation("b", "10.0.0.1")], "is with a and"),
        ([allocation("a", "10.0.0.1", "noon"), allocation("b", "10.0.0.2")], "never asked"),
    ],
)
def test_lists_that_break_a_promise(
    ledger: Ledger, listed: list[dict[str, Any]], story: str
) -> None:
    with pytest.raises(LedgerError, match=story):
        ledger.settle(listed)


def test_a_released_one_must_stay_released(ledger: Ledger) -> None:
    ledger.begin("a", "release")
    ledger.acknowledge("a", None)
    ledger.settle([])
    with pytest.raises(LedgerError, match="was released and has"):
        ledger.settle([allocation("a", "10.0.0.1", "noon")])


def test_an_address_is_never_given_to_a_second_one(ledger: Ledger) -> None:
    ledger.begin("b", "allocate")
    with pytest.raises(LedgerError, match="while a holds it"):
        ledger.acknowledge("b", allocation("b", "10.0.0.1"))


def test_a_subscriber_is_never_given_a_second_one(ledger: Ledger) -> None:
    ledger.begin("a", "allocate")
    with pytest.raises(LedgerError, match="as well"):
        ledger.acknowledge("a", allocation("a", "10.0.0.2"))


def test_cooling_binds_others_only(ledger: Ledger) -> None:
    ledger.begin("a", "release")
    ledger.acknowledge("a", None)
    ledger.begin("b", "allocate")
    with pytest.raises(LedgerError, match="before it cooled"):
        ledger.acknowledge("b", allocation("b", "10.0.0.1"))
    ledger.begin("a", "allocate")
    ledger.acknowledge("a", allocation("a", "10.0.0.1"))
    ledger.settle([allocation("a", "10.0.0.1")])


@pytest.mark.parametrize("listed", [[], [allocation("a", "10.0.0.1", "noon")]])
def test_an_unanswered_release_may_have_happened(
    ledger: Ledger, listed: list[dict[str, Any]]
) -> None:
    ledger.begin("a", "release")
    ledger.settle(listed)
    ledger.settle(listed)


def test_an_unanswered_renewal_may_have_happened(ledger: Ledger) -> None:
    ledger.begin("a", "renew")
    ledger.settle([allocation("a", "10.0.0.1", "one")])
    with pytest.raises(LedgerError, match="one was told"):
        ledger.settle([allocation("a", "10.0.0.1", "noon")])


def test_an_unanswered_allocation_may_have_happened(ledger: Ledger) -> None:
    ledger.begin("b", "allocate")
    both = [allocation("a", "10.0.0.1", "noon"), allocation("b", "10.0.0.2")]
    ledger.settle(both)
    with pytest.raises(LedgerError, match="is lost"):
        ledger.settle(both[:1])


def test_a_refused_one_must_not_have_happened(ledger: Ledger) -> None:
    ledger.begin("b", "allocate")
    ledger.refused("b")
    with pytest.raises(LedgerError, match="was released and has"):
        ledger.settle([allocation("a", "10.0.0.1", "noon"), allocation("b", "10.0.0.2")])
