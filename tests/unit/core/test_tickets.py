"""Releases that are passed on between members (R8 d)."""

from __future__ import annotations

from typing import Any

from nexus.core.messages import Forward
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.read_allocations import GetAllocation
from nexus.core.operations.release import Release
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S
from nexus.model.views import AllocationView, Done
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster


def three() -> tuple[Cluster, str]:
    """Three cores, one pool with one allocation, and a member that does not own it."""
    cluster = Cluster(("core", "core", "core"))
    cluster.run(5 * NS_PER_S)
    spec, _ = pool_spec_from({"id": "p", "cidr": "192.0.2.0/28"})
    cluster.call("n1", CreatePool(spec))
    cluster.run(10 * NS_PER_S)
    view = cluster.call("n1", Allocate("p", "one"))
    assert isinstance(view, AllocationView), view
    for name in cluster.members:
        pool = cluster.node(name).book.by_id["p"]
        row = pool.subs.get("one")
        if row is not None and pool.shard_at(row.index).owner is None:
            return cluster, name
    raise AssertionError("everybody owns it, or nobody else has heard of it")


def test_a_release_through_another_member_ends_the_allocation() -> None:
    cluster, asker = three()
    assert isinstance(cluster.call(asker, Release("one")), Done)
    gone = cluster.call(asker, GetAllocation("one"))
    assert isinstance(gone, NexusError)


def test_a_delayed_release_does_not_end_what_was_told_after_its_caller_gave_up() -> None:
    # The network keeps every message that carries the release for longer than its caller waits.
    cluster, asker = three()
    kept: list[tuple[str, str, Any]] = []

    def keep(sender: str, to: str, message: Any) -> bool:
        late = isinstance(message, Forward) and message.request.name == "Release"
        if late:
            kept.append((sender, to, message))
        return late

    cluster.lose = keep
    answer = cluster.call(asker, Release("one"), limit_ns=60 * NS_PER_S)
    assert isinstance(answer, NexusError)
    assert answer.definite
    cluster.lose = lambda sender, to, message: False
    cluster.run(30 * NS_PER_S)
    told = cluster.call(asker, GetAllocation("one"))
    assert isinstance(told, AllocationView)
    for sender, to, message in kept:
        cluster.send(sender, to, message)
    cluster.run(20 * NS_PER_S)
    again = cluster.call(asker, GetAllocation("one"))
    assert isinstance(again, AllocationView)
    assert again.resource == told.resource


def test_a_ticket_runs_out_before_its_caller_is_given_up_on() -> None:
    # The ticket came in time; the request that uses it is kept until after the answer.
    cluster, asker = three()
    kept: list[tuple[str, str, Any]] = []
    seen = [0]

    def keep(sender: str, to: str, message: Any) -> bool:
        if not isinstance(message, Forward) or message.request.name != "Release":
            return False
        seen[0] += 1
        if seen[0] > 1:
            kept.append((sender, to, message))
        return seen[0] > 1

    cluster.lose = keep
    answer = cluster.call(asker, Release("one"), limit_ns=60 * NS_PER_S)
    assert isinstance(answer, NexusError)
    assert not answer.definite
    assert kept
    cluster.lose = lambda sender, to, message: False
    for sender, to, message in kept:
        cluster.send(sender, to, message)
    cluster.run(5 * NS_PER_S)
    assert isinstance(cluster.call(asker, GetAllocation("one")), AllocationView)


def test_a_late_copy_of_the_first_question_does_not_bring_a_ticket_back_to_life() -> None:
    # Simulator, mix "late releases", seed 8: the copy got a new ticket of the same name.
    cluster, asker = three()
    first: list[tuple[str, str, Any]] = []
    kept: list[tuple[str, str, Any]] = []

    def keep(sender: str, to: str, message: Any) -> bool:
        if not isinstance(message, Forward) or message.request.name != "Release":
            return False
        (kept if first else first).append((sender, to, message))
        return bool(kept)

    cluster.lose = keep
    answer = cluster.call(asker, Release("one"), limit_ns=60 * NS_PER_S)
    assert isinstance(answer, NexusError)
    assert not answer.definite
    cluster.lose = lambda sender, to, message: False
    for sender, to, message in [*first, *kept]:
        cluster.send(sender, to, message)
        cluster.run(NS_PER_S // 10)
    cluster.run(5 * NS_PER_S)
    assert isinstance(cluster.call(asker, GetAllocation("one")), AllocationView)


def test_a_copy_of_the_first_question_in_time_leaves_the_ticket_good() -> None:
    cluster, asker = three()

    def double(sender: str, to: str, message: Any) -> bool:
        if isinstance(message, Forward) and message.request.name == "Release":
            cluster.lose = lambda sender, to, message: False
            cluster.send(sender, to, message)
        return False

    cluster.lose = double
    assert isinstance(cluster.call(asker, Release("one")), Done)
