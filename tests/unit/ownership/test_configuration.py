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
