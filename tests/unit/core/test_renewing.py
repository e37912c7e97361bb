"""Renewals of many shards go in messages of bounded size, and keep what R5 and R22 say."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from nexus.core import renewing
from nexus.core.messages import GrantsRenewed, RenewGrants
from nexus.core.operations.create_pool import CreatePool
from nexus.model.time import NS_PER_S
from nexus.ownership import register
from nexus.ownership.values import ZERO
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster

SHARDS = 64
BATCH = 6


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """An edge that owns many shards, by three voters; a message renews six."""
    monkeypatch.setattr(renewing, "SHARDS_PER_RENEWAL", BATCH)
    cluster = Cluster(("core", "core", "core", "edge"), edge_horizon_ns=60 * NS_PER_S)
    cluster.run(5 * NS_PER_S)
    spec, _ = pool_spec_from({"id": "p", "cidr": "10.0.0.0/22", "sharding_factor": SHARDS})
    cluster.call("n1", CreatePool(spec))
    cluster.run(20 * NS_PER_S)
    return cluster


def watched(cluster: Cluster, seconds: int) -> list[tuple[int, str, RenewGrants]]:
    """(when, from, renewal) of all renewals sent to one voter in a while."""
    seen: list[tuple[int, str, RenewGrants]] = []
    send = cluster.send

    def note(sender: str, to: str, message: Any) -> None:
        if isinstance(message, RenewGrants) and to == "n1":
            seen.append((cluster.now_ns, sender, message))
        send(sender, to, message)

    cluster.send = note  # type: ignore[method-assign]
    cluster.run(seconds * NS_PER_S)
    cluster.send = send  # type: ignore[method-assign]
    return seen


def test_a_round_names_every_shard_in_messages_of_bounded_size(cluster: Cluster) -> None:
    owned = dict.fromkeys(cluster.node("n4").owning.owned)
    assert len(owned) > 2 * BATCH
    interval_s = 10
    renewals = [one for one in watched(cluster, interval_s + 2) if one[1] == "n4"]
    assert all(len(message.grants) <= BATCH for _, _, message in renewals)
    named = [key for _, _, message in renewals for key, _ in message.grants]
    assert set(named) == set(owned)
    assert len(named) < 3 * len(owned)
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(renewals)]
    assert min(gaps) >= renewing.RENEWAL_GAP_NS // 2  # never all in one event


def test_no_hold_runs_out_over_many_rounds(cluster: Cluster) -> None:
    for _ in range(60):
        cluster.run(2 * NS_PER_S)
        cluster.check()
        for name in ("n1", "n2", "n3", "n4"):
            node = cluster.node(name)
            for shard in node.owning.owned.values():
                assert shard.owner is not None
                assert shard.owner.hold_until > node.ctx.clocks.fast


def test_what_a_voter_acknowledged_counts_whatever_it_says_of_a_late_copy(cluster: Cluster) -> None:
    node = cluster.node("n4")
    keeper = node.owning.renewing
    key = next(iter(node.owning.owned))
    keeper._send(keeper._grants([key]))
    number = keeper.message_no
    answer = GrantsRenewed(node.ctx.configuration.number, number, (), node.config.session, 0)
    late = GrantsRenewed(
        node.ctx.configuration.number,
        number,
        ((key, register.REFUSED_PROMISE, ZERO),),
        node.config.session,
        0,
    )
    keeper.on_renewed("n1", answer)
    keeper.on_renewed("n1", late)
    assert keeper.sent[number].renewed_by(key) == ["n1"]
    keeper.on_renewed("n1", answer)
    assert keeper.sent[number].renewed_by(key) == ["n1"]  # one voter, however often


def test_r22_a_superseded_process_is_held_up_by_no_other_voters_answer(cluster: Cluster) -> None:
    node = cluster.node("n4")
    keeper = node.owning.renewing
    keys = list(node.owning.owned)[:2]
    keeper._send(keeper._grants(keys))
    number = keeper.message_no
    config_no, session = node.ctx.configuration.number, node.config.session
    keeper.on_renewed("n1", GrantsRenewed(config_no, number, (), session, 0))
    told = ((keys[0], register.SUPERSEDED, ZERO),)
    keeper.on_renewed("n2", GrantsRenewed(config_no, number, told, session, 0))
    keeper.on_renewed("n3", GrantsRenewed(config_no, number, (), session, 0))
    assert keeper.superseded
    assert all(shard.owner.hold_until == 0 for shard in node.owning.owned.values() if shard.owner)
