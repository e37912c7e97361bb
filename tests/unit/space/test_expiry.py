"""The calendar of what ends when; the laws are in tests/property/test_expiry.py."""

from __future__ import annotations

import tracemalloc
import weakref
from random import Random

from nexus.model.time import NS_PER_S
from nexus.space.expiry import DEAL_LIMIT, ExpiryQueue

HOUR_NS = 3_600 * NS_PER_S
DAY_NS = 24 * HOUR_NS


class Lease:
    """An item as the core has them: mutable, told apart by identity, not hashable by value."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, due_ns: int | None) -> None:
        self.due_ns = due_ns


def lease_due(lease: Lease) -> int | None:
    return lease.due_ns


def queue_of(*leases: Lease) -> ExpiryQueue[Lease]:
    queue = ExpiryQueue(lease_due)
    queue.add_all(leases)
    return queue


def test_an_empty_queue_has_nothing_due() -> None:
    queue = queue_of()
    assert queue.next_due_ns() is None
    assert queue.pop_due(10**18) == []
    assert len(queue) == 0


def test_items_come_in_due_order_over_all_distances() -> None:
    dues = [1, 5, NS_PER_S, 70 * NS_PER_S, HOUR_NS + 1, HOUR_NS, 40 * DAY_NS, 10 * 365 * DAY_NS]
    leases = [Lease(due_ns) for due_ns in dues]
    queue = queue_of(*reversed(leases))
    for due_ns in sorted(dues):
        assert queue.next_due_ns() == due_ns
        assert queue.pop_due(due_ns - 1) == []
        (lease,) = queue.pop_due(due_ns)
        assert lease.due_ns == due_ns
        lease.due_ns = None
    assert queue.next_due_ns() is None
    assert len(queue) == 0


def test_a_renewal_does_not_touch_the_queue() -> None:
    renewed, other = Lease(10), Lease(20)
    queue = queue_of(renewed, other)
    renewed.due_ns = 30
    assert len(queue) == 2
    assert queue.next_due_ns() == 20
    assert queue.pop_due(25) == [other]
    assert queue.next_due_ns() == 30
    assert queue.pop_due(30) == [renewed]


def test_a_shortened_lease_is_added_again_and_comes_once() -> None:
    lease = Lease(2 * HOUR_NS)
    queue = queue_of(lease)
    lease.due_ns = HOUR_NS
    queue.add(lease, HOUR_NS)
    assert queue.next_due_ns() == HOUR_NS
    assert queue.pop_due(3 * HOUR_NS) == [lease]
    lease.due_ns = None
    assert queue.pop_due(3 * HOUR_NS) == []
    assert queue.next_due_ns() is None


def test_released_leases_are_passed_by() -> None:
    leases = [Lease(due_ns) for due_ns in (10, 20, 30)]
    queue = queue_of(*leases)
    leases[0].due_ns = None
    assert queue.next_due_ns() == 20
    assert queue.pop_due(100) == leases[1:]


def test_permanent_items_are_not_filed() -> None:
    assert len(queue_of(Lease(None))) == 0


def test_a_mass_expiry_comes_in_portions() -> None:
    leases = [Lease(HOUR_NS) for _ in range(25)]
    queue = queue_of(*leases)
    sizes = []
    while due := queue.pop_due(2 * HOUR_NS, limit=10):
        sizes.append(len(due))
        for lease in due:
            lease.due_ns = None
        if len(sizes) < 3:
            assert queue.next_due_ns() == HOUR_NS
    assert sizes == [10, 10, 5]


def test_due_within_takes_nothing_out() -> None:
    near, far, gone = Lease(HOUR_NS), Lease(30 * DAY_NS), Lease(5)
    queue = queue_of(near, far, gone)
    gone.due_ns = None
    assert list(queue.due_within(2 * HOUR_NS)) == [near]
    assert list(queue.due_within(2 * HOUR_NS)) == [near]
    assert {id(lease) for lease in queue.due_within(31 * DAY_NS)} == {id(near), id(far)}
    assert len(queue) == 3


def test_a_lease_added_to_the_front_is_not_lost_behind_what_was_passed_by() -> None:
    released, later, sooner = Lease(13), Lease(19), Lease(11)
    queue = queue_of(released, later)
    assert queue.next_due_ns() == 13
    released.due_ns = None
    assert queue.next_due_ns() == 19
    queue.add(sooner, 11)
    assert queue.next_due_ns() == 11
    assert queue.pop_due(19) == [sooner, later]


def test_a_lease_renewed_after_its_bucket_was_sorted_waits_for_its_new_time() -> None:
    first, renewed = Lease(10), Lease(20)
    queue = queue_of(first, renewed)
    assert queue.next_due_ns() == 10
    renewed.due_ns = 40
    assert queue.pop_due(30) == [first]
    assert queue.next_due_ns() == 40


def test_a_lease_shortened_into_a_sorted_bucket_comes_once() -> None:
    """Its old entry, in a coarse bucket around that sorted one, must find its way there too."""
    front, shortened = Lease(70 * NS_PER_S), Lease(100 * NS_PER_S)
    queue = queue_of(Lease(0), front)
    assert len(queue.pop_due(0)) == 1
    assert queue.next_due_ns() == 70 * NS_PER_S
    queue.add(shortened, 100 * NS_PER_S)
    shortened.due_ns = 70 * NS_PER_S
    queue.add(shortened, 70 * NS_PER_S)
    assert queue.next_due_ns() == 70 * NS_PER_S
    assert queue.pop_due(200 * NS_PER_S) == [front, shortened]


def test_what_was_taken_is_let_go() -> None:
    queue = queue_of(*(Lease(due_ns) for due_ns in range(100)))
    taken = [weakref.ref(lease) for lease in queue.pop_due(80)]
    assert len(taken) == 81
    assert not any(lease() for lease in taken)


def test_looking_ahead_does_not_ask_for_what_is_far() -> None:
    asked: list[int] = []

    def noted_due(due_ns: int) -> int | None:
        asked.append(due_ns)
        return due_ns

    queue = ExpiryQueue(noted_due)
    for hour in range(100):
        queue.add(hour * HOUR_NS, hour * HOUR_NS)
    assert list(queue.due_within(1)) == [0]
    assert max(asked) < 2 * HOUR_NS


def test_due_within_forgets_what_was_taken() -> None:
    first, second = Lease(10), Lease(20)
    queue = queue_of(first, second)
    assert queue.pop_due(10) == [first]
    assert list(queue.due_within(100)) == [second]


def test_an_item_due_before_everything_filed_comes_first() -> None:
    late = Lease(30 * DAY_NS)
    queue = queue_of(late)
    assert queue.next_due_ns() == 30 * DAY_NS
    soon = Lease(7)
    queue.add(soon, 7)
    assert queue.next_due_ns() == 7
    assert queue.pop_due(7) == [soon]
    assert queue.next_due_ns() == 30 * DAY_NS


def test_coming_due_costs_what_is_due_not_what_is_filed() -> None:
    asked = 0

    def counted_due(lease: Lease) -> int | None:
        nonlocal asked
        asked += 1
        return lease.due_ns

    queue = ExpiryQueue(counted_due)
    for number in range(50_000):
        due_ns = HOUR_NS + number * NS_PER_S
        queue.add(Lease(due_ns), due_ns)
    for lease in queue.pop_due(HOUR_NS + 10 * NS_PER_S):
        lease.due_ns = None
    asked = 0
    for number in range(11, 111):
        assert queue.next_due_ns() == HOUR_NS + number * NS_PER_S
        for lease in queue.pop_due(HOUR_NS + number * NS_PER_S):
            lease.due_ns = None
    # Dealing out buckets of the levels between is shared by all that they hold.
    assert asked < 100 * 64


def test_renewals_in_due_order_do_not_sort_again_and_again() -> None:
    """A renew storm: all leases of one second are renewed one by one, deadline asked each time."""
    asked = 0

    def counted_due(lease: Lease) -> int | None:
        nonlocal asked
        asked += 1
        return lease.due_ns

    leases = [Lease(HOUR_NS + number) for number in range(2_000)]
    queue = ExpiryQueue(counted_due)
    queue.add_all(leases)
    asked = 0
    for lease in leases:
        assert queue.next_due_ns() == lease.due_ns
        assert lease.due_ns is not None
        lease.due_ns += HOUR_NS
    assert asked < 5 * len(leases)


def test_at_most_16_bytes_an_item() -> None:
    """Leases of up to 30 days spread so thin that finest buckets would hold less than one each."""
    rng = Random(1)
    dues = [rng.randrange(30 * DAY_NS) for _ in range(100_000)]
    items = list(range(len(dues)))
    queue: ExpiryQueue[int] = ExpiryQueue(dues.__getitem__)
    tracemalloc.start()
    try:
        queue.add_all(items)
        filed_bytes, _ = tracemalloc.get_traced_memory()
        queue.next_due_ns()
        asked_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert filed_bytes / len(dues) <= 16
    assert asked_bytes / len(dues) <= 16


def test_a_lease_taken_out_that_is_still_due_does_not_ask_for_a_look_at_once() -> None:
    """An owner without its hold takes a lease out and cannot close it yet."""
    lease = Lease(600 * NS_PER_S)
    queue = queue_of(lease)
    assert queue.next_due_ns() == 600 * NS_PER_S
    lease.due_ns = 60 * NS_PER_S
    queue.add(lease, lease.due_ns)
    assert queue.pop_due(60 * NS_PER_S) == [lease]
    assert queue.next_due_ns() == 600 * NS_PER_S


def test_no_call_looks_at_more_than_a_slice_of_a_mass_expiry() -> None:
    """A whole town logs in within minutes: a day later all of it is due in a few coarse buckets."""
    looks = 0

    def due_of(number: int) -> int:
        nonlocal looks
        looks += 1
        return DAY_NS + number * 10_000_000

    count = 3 * DEAL_LIMIT
    queue: ExpiryQueue[int] = ExpiryQueue(due_of)
    queue.begin(0)
    queue.add_dated(range(count), [due_of(number) for number in range(count)])
    popped: list[int] = []
    now = 0
    calls = 0
    while (due := queue.next_due_ns()) is not None:
        calls += 1
        now = max(now, due)
        looks = 0
        popped += queue.pop_due(now, 500)
        assert looks <= 2 * DEAL_LIMIT + 2 * 500
        looks = 0
        queue.next_due_ns()
        assert looks <= 2 * DEAL_LIMIT
    assert popped == list(range(count))
    assert calls > 3
