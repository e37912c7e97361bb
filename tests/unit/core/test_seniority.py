"""Which of two allocations of one subscriber is the younger (R20): by hybrid clock, not by wall."""

from __future__ import annotations

import pytest

from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster


def dated(off_s: int) -> tuple[int, int, int]:
    """Stamp of an allocation by a member whose wall clock is off: right time, its time, stamp."""
    cluster = Cluster(("core", "core", "core", "edge"), edge_horizon_ns=3_600 * NS_PER_S)
    clock = cluster.members["n4"].clock
    clock.step_wall(off_s * NS_PER_S)
    cluster.run(6 * NS_PER_S)
    spec, _ = pool_spec_from({"id": "p", "cidr": "10.0.0.0/27", "sharding_factor": 8})
    cluster.call("n1", CreatePool(spec))
    cluster.run(10 * NS_PER_S)
    node = cluster.node("n4")
    for number in range(50):
        made = cluster.call("n1", Allocate("p", f"s{number}", ttl_s=300))
        assert isinstance(made, AllocationView), made
        row = node.book.by_id["p"].subs.get(f"s{number}")
        if row is not None and node.book.by_id["p"].shard_at(row.index).owner is not None:
            return cluster.members["n1"].clock.read().wall_us, clock.read().wall_us, row.created_us
    raise AssertionError("n4 was never asked")


def test_an_allocation_is_dated_after_all_that_its_owner_has_heard_of():
    right, own, stamp = dated(off_s=-20)
    assert own < right - 19_000_000
    assert right - 6_000_000 < stamp <= right  # the life signs of 5 s ago count


def test_right_clocks_date_by_wall_time():
    right, own, stamp = dated(off_s=0)
    assert right - 1_000_000 < stamp <= right + 10_000
    assert abs(own - right) < 10_000


@pytest.mark.parametrize("off_s", [-3_600, 3_600])
def test_a_clock_that_is_off_by_more_than_a_minute_drags_nobody_along(off_s):
    right, own, stamp = dated(off_s)
    assert abs(stamp - own) < 1_000_000
    assert abs(own - right) > 3_500_000_000
