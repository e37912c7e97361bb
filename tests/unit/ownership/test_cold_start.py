"""`cold_start_offline`: what an edge holds after a start while it is cut off (R5, R11)."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.config.schema import ServeConfig
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView
from nexus.ownership import clocks, holding
from nexus.resources import pool_spec_from
from nexus.runtime.wiring import cold_start_error_bound_ns
from tests.support.cluster import Cluster

S = NS_PER_S


@pytest.mark.parametrize(("left", "elapsed", "found"), [(9, 4, 5), (4, 9, 0), (9, None, 0)])
def test_r5_a_hold_is_resumed_for_what_is_left_of_it(left, elapsed, found):
    assert holding.r5_hold_left(left, elapsed) == found


def test_the_error_counts_only_where_the_clock_is_trusted():
    trusted = ServeConfig(
        role="edge", cold_start_offline="rtc_trusted", cold_start_error_bound_ns=3 * S
    )
    assert cold_start_error_bound_ns(trusted) == 3 * S
    assert cold_start_error_bound_ns(ServeConfig(cold_start_error_bound_ns=3 * S)) is None


def off_for(seconds: int) -> Cluster:
    """n4 holds a shard for two minutes, is cut off and off for a while, and comes back cut off."""
    options: dict[str, Any] = {"edge_horizon_ns": 120 * S, "cold_start_error_bound_ns": S}
    cluster = Cluster(("core", "core", "core", "edge", "edge"), **options)
    cluster.run(S)
    shape = {"id": "p", "cidr": "10.0.0.0/28", "sharding_factor": 4, "mclt": 30, "cooldown": 5}
    spec, _ = pool_spec_from(shape)
    cluster.call("n1", CreatePool(spec))
    cluster.run(30 * S)
    assert cluster.node("n4").owning.owned
    cluster.partition(["n4"], ["n1", "n2", "n3", "n5"])
    cluster.crash("n4")
    cluster.judge("n4", "offline")
    cluster.run(seconds * S)
    for number in range(30):  # all that the others can give, n4's shards among it
        cluster.ask("n1", Allocate("p", f"old-{number}"))
    cluster.run(10 * S)
    cluster.restart("n4", reboot=True)
    for name in ("n1", "n2", "n3", "n5"):
        cluster.node("n4").lost_peers[name] = None
    return cluster


def ask_n4(cluster: Cluster) -> object:
    for number in range(8):
        answer = cluster.call("n4", Allocate("p", f"new-{number}", ttl_s=20))
        if isinstance(answer, AllocationView):
            break
    return answer


def test_within_its_hold_it_serves():
    cluster = off_for(5)
    assert isinstance(ask_n4(cluster), AllocationView)
    cluster.oracle.check()


def test_after_its_hold_it_does_not():
    cluster = off_for(200)
    assert not isinstance(ask_n4(cluster), AllocationView)
    cluster.oracle.check()


def test_an_edge_that_took_no_time_for_having_passed_would_double(monkeypatch):
    monkeypatch.setattr(clocks, "r11_most_elapsed", lambda *_: 0)
    cluster = off_for(200)
    assert isinstance(ask_n4(cluster), AllocationView)
    with pytest.raises(AssertionError):
        cluster.oracle.check()
