"""Heartbeats spread by the causal-length set: told to one, known to all; a fence beats old ones."""

from __future__ import annotations

import pytest

from nexus import codec
from nexus.core.messages import FactsTold, HeadsTold
from nexus.core.operations.nodes import FenceNode, Heartbeat
from nexus.model.time import NS_PER_S
from tests.support.cluster import Cluster

ROLES = ("core", "core", "core", "edge")


@pytest.fixture
def cluster():
    made = Cluster(ROLES, edge_horizon_ns=60 * NS_PER_S)
    made.run(5 * NS_PER_S)
    return made


def heard(cluster, member="n4"):
    return {name: cluster.node(name).facts.heard.get(f"nodes/{member}") for name in cluster.members}


def test_a_heartbeat_at_one_member_is_known_to_all(cluster):
    cluster.crash("n4")  # it calls over HTTP; nobody hears it otherwise
    cluster.judge("n4", "offline")
    cluster.run(60 * NS_PER_S)
    view = cluster.call("n2", Heartbeat("n4"))
    cluster.run(NS_PER_S)
    stamps = {heard(cluster)[name] for name in ("n1", "n2", "n3")}
    assert len(stamps) == 1
    assert view.status == "active"
    for name in ("n1", "n2", "n3"):
        assert cluster.node(name).members.status("n4") == "active"
        assert cluster.node(name).members.heard["n4"] in stamps


def test_who_missed_it_gets_it_by_comparison(cluster):
    cluster.partition(["n3"], ["n1", "n2", "n4"])
    cluster.call("n2", Heartbeat("n4"))
    cluster.run(NS_PER_S)
    assert heard(cluster)["n3"] is None
    cluster.restart("n1")  # what is seen is not on disk
    assert heard(cluster)["n1"] is None
    cluster.heal()
    cluster.run(90 * NS_PER_S)
    assert len(set(heard(cluster).values())) == 1
    prints = {member.node.facts.heard.fingerprint for member in cluster.alive()}
    assert len(prints) == 1


def test_a_fence_beats_a_heartbeat_from_before_it_however_late(cluster):
    cluster.call("n2", Heartbeat("n4"))
    cluster.run(NS_PER_S)
    entry = cluster.node("n1").facts.heard.entry("nodes/n4")
    cluster.crash("n4")
    cluster.call("n1", FenceNode("n4", "it burns"))
    cluster.run(NS_PER_S)
    assert heard(cluster)["n1"] is None
    cluster.node("n1").facts.on_told(FactsTold({"nodes/n4": entry}))
    assert heard(cluster)["n1"] is None
    cluster.restart("n4")  # it registers again, and calls
    cluster.run(20 * NS_PER_S)
    cluster.call("n3", Heartbeat("n4"))
    cluster.run(NS_PER_S)
    assert heard(cluster)["n1"] is not None


def test_equal_sets_say_nothing_more(cluster):
    cluster.call("n1", Heartbeat("n4"))
    cluster.run(NS_PER_S)
    facts = cluster.node("n2").facts
    before = len(cluster.node("n2").ctx.effects)
    facts.on_heads("n1", HeadsTold(facts.heard.fingerprint, facts.heard.heads((0,))))
    assert len(cluster.node("n2").ctx.effects) == before


def test_what_travels_comes_back_the_same(cluster):
    cluster.call("n1", Heartbeat("n4"))
    heads = cluster.node("n1").facts.heard.heads((0,))
    message = HeadsTold(7, heads)
    assert codec.decode_message(codec.encode_message(message)) == message
    told = FactsTold(cluster.node("n1").facts.heard.state())
    assert codec.decode_message(codec.encode_message(told)) == told
