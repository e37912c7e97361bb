"""R21: quorums of a joint phase, and who is complete in a configuration that it enters."""

from __future__ import annotations

import pytest

from nexus.ownership import configuration as rules
from nexus.ownership.configuration import Configuration, stable

ONE = stable(1, ["a"])
JOINT = Configuration(2, ("a",), ("a", "b", "c"))
THREE = stable(3, ["a", "b", "c"])
ABORTED = stable(3, ["a"])


def entry(old, new, me, *, was=True, before=True):
    return rules.r21c_complete_on_entry(old, new, me, was_complete=was, complete_before=before)


def test_a_joint_quorum_needs_both_majorities():
    assert not rules.r21b_quorum(JOINT, {"b", "c"})
    assert not rules.r21b_quorum(JOINT, {"a"})
    assert rules.r21b_quorum(JOINT, {"a", "b"})


def test_finish_needs_both_majorities_and_abort_the_old_one():
    assert not rules.r21a_decided(JOINT, THREE, {"a"})
    assert rules.r21a_decided(JOINT, THREE, {"a", "c"})
    assert rules.r21a_decided(JOINT, ABORTED, {"a"})


def test_a_voter_of_b_accepts_finish_only_when_complete():
    assert not rules.r21a_may_accept(JOINT, THREE, "b", complete=False)
    assert rules.r21a_may_accept(JOINT, ABORTED, "a", complete=False)


@pytest.mark.parametrize("me", ["a", "b"])
def test_everybody_in_b_copies_first_a_staying_one_too(me):
    assert not entry(ONE, JOINT, me)


def test_a_leaving_voter_answers_on_in_the_joint_phase():
    shrink = Configuration(4, ("a", "b", "c"), ("a",))
    assert entry(THREE, shrink, "b")
    assert not entry(THREE, shrink, "b", was=False)
    assert not entry(ONE, shrink, "b"), "it missed configurations, so it knows nothing of them"


def test_finish_keeps_what_was_reached():
    assert entry(JOINT, THREE, "a", was=True)
    assert not entry(JOINT, THREE, "a", was=False, before=True)


def test_abort_gives_back_what_was_there_before():
    assert entry(JOINT, ABORTED, "a", was=False, before=True)
    assert not entry(JOINT, ABORTED, "a", was=False, before=False)


def test_who_missed_the_joint_phase_has_to_copy():
    five = Configuration(4, ("a", "b", "c"), ("a", "b", "c", "d", "e"))
    done = stable(5, five.new)
    assert not entry(THREE, done, "a")
    assert entry(THREE, stable(5, THREE.old), "a"), "an abort that was missed changes nothing"
    assert not entry(THREE, stable(7, THREE.old), "a")


@pytest.mark.parametrize(
    "quorum",
    [
        "r2_granted",
        "r5_renewed",
        "r8_replicated",
        "r8c_read",
        "r8c_base_replicated",
        "r8d_confirmed_by",
        "r12_released",
        "r21d_known",
    ],
)
def test_whatever_is_counted_is_counted_in_both_sets(quorum):
    counts = getattr(rules, quorum)
    joint = Configuration(2, ("a", "b", "c"), ("c", "d", "e"))
    assert not counts(joint, {"a", "b"})
    assert not counts(joint, {"c", "d", "e"})
    assert counts(joint, {"a", "c", "d"})
    assert not counts(THREE, {"a"})
    assert not counts(THREE, {"a", "stranger", "other"})
    assert counts(THREE, {"a", "b"})


def test_finish_is_proposed_when_a_majority_of_b_is_complete():
    assert not rules.r21a_may_finish(JOINT, {"a"})
    assert rules.r21a_may_finish(JOINT, {"a", "b"})


def test_complete_is_who_has_merged_a_majority_of_a():
    change = Configuration(2, ("a", "b", "c"), ("c", "d", "e"))
    assert not rules.r21c_may_complete(change, {"a"})
    assert not rules.r21c_may_complete(change, {"a", "d", "e"})
    assert rules.r21c_may_complete(change, {"a", "c"})


@pytest.mark.parametrize(
    ("old", "new", "was", "before"),
    [
        (ONE, JOINT, True, True),
        (ONE, JOINT, False, False),
        (stable(0, ["a"]), JOINT, True, False),
        (JOINT, THREE, True, False),
    ],
)
def test_an_abort_falls_back_on_who_was_complete_in_the_configuration_before(old, new, was, before):
    assert rules.r21c_complete_before(old, new, was_complete=was) is before
