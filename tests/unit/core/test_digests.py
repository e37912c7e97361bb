"""Anti-entropy over digest trees: equal members say little, different ones find where (R19)."""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.digests import FEW
from nexus.core.messages import DigestProbed, DigestSpread, RowsSpread, RowsWanted
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster

FACTS = (DigestProbed, DigestSpread, RowsSpread, RowsWanted)


def served(shards: int) -> Cluster:
    """Three cores and an edge, one pool with some allocations."""
    cluster = Cluster(("core", "core", "core", "edge"))
    cluster.run(5 * NS_PER_S)
    spec, _ = pool_spec_from({"id": "p", "cidr": "10.0.0.0/22", "sharding_factor": shards})
    cluster.call("n1", CreatePool(spec))
    cluster.run(20 * NS_PER_S)
    for number in range(5):
        view = cluster.call("n1", Allocate("p", f"s{number}"))
        assert isinstance(view, AllocationView), view
    cluster.run(60 * NS_PER_S)
    return cluster


def heard(cluster: Cluster, seconds: int) -> list[Any]:
    """Messages about facts that are sent in a while."""
    found: list[Any] = []

    def note(sender: str, to: str, message: Any) -> bool:
        if isinstance(message, FACTS):
            found.append(message)
        return False

    cluster.lose = note
    cluster.run(seconds * NS_PER_S)
    return found


def test_equal_members_exchange_one_digest_and_nothing_else() -> None:
    cluster = served(shards=16)
    said = heard(cluster, 60)
    assert said
    assert {type(message) for message in said} == {DigestProbed}
    assert max(len(msgspec.msgpack.encode(message)) for message in said) < 64


def test_a_shard_that_differs_is_found_among_many_and_repaired() -> None:
    cluster = served(shards=4 * FEW)
    cluster.lose = lambda sender, to, message: isinstance(message, RowsSpread)
    view = cluster.call("n1", Allocate("p", "late"))
    assert isinstance(view, AllocationView), view
    cluster.run(NS_PER_S)
    behind = [n for n in cluster.members if "late" not in cluster.node(n).book.by_id["p"].subs]
    assert "n4" in behind
    said = heard(cluster, 120)
    assert all("late" in cluster.node(name).book.by_id["p"].subs for name in behind)
    told = [len(message.digests) for message in said if isinstance(message, DigestSpread)]
    assert told
    assert max(told) < FEW  # the leaf's, not all


def test_a_change_that_nobody_was_told_of_breaks_an_invariant() -> None:
    cluster = served(shards=16)
    node = cluster.node("n4")
    assert node.spread.digests.problem() is None
    shard = next(shard for shard in node.book.by_id["p"].shards if shard.have_seq)
    shard.have_seq += 1
    assert "R19" in str(node.spread.digests.problem())
