"""Who may vote under an id (R21 d): one life of one disk."""

from __future__ import annotations

import pytest

from nexus.model.time import NS_PER_S
from nexus.ownership import configuration as rules
from nexus.ownership.configuration import Configuration, stable
from tests.support.cluster import Cluster

THREE = ("core", "core", "core")


@pytest.mark.parametrize(
    ("known", "incarnation", "same"), [(None, 7, True), (7, 7, True), (7, 8, False)]
)
def test_an_id_belongs_to_one_life(known, incarnation, same):
    assert rules.r21d_same_life(known, incarnation) is same


def test_a_cluster_is_founded_by_all_of_its_voters_and_changed_by_a_quorum():
    founding = stable(1, ("a", "b", "c"))
    assert not rules.r21d_founded(founding, ["a", "b"])
    assert rules.r21d_founded(founding, ["a", "b", "c"])
    joint = Configuration(2, ("a", "b", "c"), ("c", "d", "e"))
    assert not rules.r21d_known(joint, ["a", "b"])
    assert not rules.r21d_known(joint, ["c", "d", "e"])
    assert rules.r21d_known(joint, ["b", "c", "d"])


def complete(cluster):
    return [name for name, member in cluster.members.items() if member.node.ctx.votes]


def test_founding_waits_for_the_last_voter_and_needs_no_restart():
    cluster = Cluster(THREE)
    cluster.crash("n3")
    cluster.run(10 * NS_PER_S)
    assert complete(cluster) == []
    assert cluster.node("n1").voters.lives.missing == ["n3"]
    cluster.restart("n3")
    cluster.run(3 * NS_PER_S)
    assert complete(cluster) == ["n1", "n2", "n3"]


def test_a_voter_that_restarts_on_its_disk_votes_at_once():
    cluster = Cluster(THREE)
    cluster.run(3 * NS_PER_S)
    cluster.crash("n2")
    cluster.restart("n1")
    assert cluster.node("n1").ctx.votes
    cluster.members["n1"].snapshot()
    cluster.run(NS_PER_S)
    cluster.restart("n1")
    assert cluster.node("n1").ctx.votes
    assert dict(cluster.node("n1").voters.lives.known) == {"n1": 1, "n2": 1, "n3": 1}


@pytest.mark.parametrize("others_down", [(), ("n2",), ("n3",)])
def test_an_empty_disk_never_votes_under_its_old_id(others_down):
    cluster = Cluster(THREE)
    cluster.run(3 * NS_PER_S)
    for name in others_down:
        cluster.crash(name)
    cluster.lose_disk("n1")
    cluster.run(20 * NS_PER_S)
    assert not cluster.node("n1").ctx.votes
    assert cluster.node("n1").voters.lives.lost
    cluster.restart("n1")
    cluster.run(20 * NS_PER_S)
    assert not cluster.node("n1").ctx.votes


def test_lives_are_handed_to_voters_that_join():
    cluster = Cluster((*THREE, "core", "core"), voters=("n1", "n2", "n3"))
    cluster.run(3 * NS_PER_S)
    node = cluster.node("n1")
    node.voters.change(("n3", "n4", "n5"))
    cluster.run(10 * NS_PER_S)
    assert node.ctx.configuration.old == ("n3", "n4", "n5")
    cluster.crash("n3")
    cluster.lose_disk("n4")
    cluster.run(20 * NS_PER_S)
    assert complete(cluster) == ["n3", "n5"]  # n3 is down, and n5 alone is no majority


def test_a_lost_voter_that_comes_back_into_a_joint_phase_is_refused():
    cluster = Cluster((*THREE, "core", "core"), voters=("n1", "n2", "n3"))
    cluster.run(3 * NS_PER_S)
    cluster.crash("n4")
    cluster.crash("n5")
    cluster.node("n1").voters.change(("n1", "n4", "n5"))
    cluster.run(2 * NS_PER_S)
    cluster.lose_disk("n2")
    cluster.run(60 * NS_PER_S)
    assert not cluster.node("n2").ctx.votes
    assert cluster.node("n1").ctx.configuration.old == ("n1", "n2", "n3")
    assert cluster.node("n1").ctx.votes
    assert cluster.node("n3").ctx.votes
