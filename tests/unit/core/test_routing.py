"""Where a call goes: a pool that is full here is not full in the cluster (R20)."""

from __future__ import annotations

import pytest

from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster


@pytest.mark.parametrize("roles", [("core", "edge", "edge"), ("core", "core", "core")])
def test_every_unit_of_every_member_can_be_had_through_one_member(roles: tuple[str, ...]) -> None:
    # One core with edges is its own majority and yet not alone: it must pass calls on as well.
    cluster = Cluster(roles)
    cluster.run(5 * NS_PER_S)
    spec, _ = pool_spec_from({"id": "p", "cidr": "192.0.2.0/28", "sharding_factor": 8})
    cluster.call("n1", CreatePool(spec))
    cluster.run(20 * NS_PER_S)
    answers = [cluster.call("n1", Allocate("p", f"sub-{n}", ttl_s=600)) for n in range(14)]
    given = [answer.resource for answer in answers if isinstance(answer, AllocationView)]
    assert len(set(given)) == len(given) == 13, [a for a in answers if isinstance(a, NexusError)]
    refused = [answer for answer in answers if isinstance(answer, NexusError)]
    assert [answer.code for answer in refused] == ["pool_exhausted"]
