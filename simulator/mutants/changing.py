"""R21 taken away: who votes while voters change."""

from __future__ import annotations

from nexus.ownership import configuration
from simulator.machine import Machine
from simulator.mutants import corners, mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always


def old_majority_decides(current: object, value: object, accepts: object) -> bool:
    return configuration.is_majority(accepts, current.old)  # type: ignore[attr-defined, arg-type]


def one_state(current: object, merged: object) -> bool:
    del current
    return bool(merged)


def old_majority_is_quorum(current: configuration.Configuration, answers: object) -> bool:
    return configuration.is_majority(answers, current.old)  # type: ignore[arg-type]


def majority_founds(current: configuration.Configuration, holders: object) -> bool:
    return configuration.is_majority(holders, current.voters)  # type: ignore[arg-type]


def comes_back_empty(self: Machine, reason: str) -> None:
    self.kill(reason=reason)
    self.wipe()
    self.start()


MUTANTS = (
    Mutant(
        "finish-before-complete",
        "R21 a",
        "finish is proposed and accepted before a majority of B has copied",
        configuration,
        "r21a_may_finish",
        always,
        corners.STARVED,
        also=((configuration, "r21a_may_accept", always),),
    ),
    Mutant(
        "old-majority-finishes",
        "R21 a",
        "a majority of A alone decides finish",
        configuration,
        "r21a_decided",
        old_majority_decides,
        corners.STARVED,
        spared="finish is proposed only when a majority of B has said that it has copied",
        beside=((configuration, "r21a_may_finish", always),),
    ),
    Mutant(
        "old-majority-suffices",
        "R21 b",
        "in a joint phase a majority of A is a quorum",
        configuration,
        "r21b_quorum",
        old_majority_is_quorum,
        mixes.VOTERS,
    ),
    Mutant(
        "joiner-does-not-copy",
        "R21 c",
        "a voter answers in a joint phase before it has copied",
        configuration,
        "r21c_complete_on_entry",
        always,
        mixes.VOTERS,
    ),
    Mutant(
        "complete-after-abort",
        "R21 c",
        "after an abort a voter is complete that was not before the joint phase",
        configuration,
        "r21c_complete_before",
        always,
        mixes.VOTERS,
        spared=(
            "every majority of a stable configuration has a voter that was complete when it began, "
            "and what was said since was said by majorities of it"
        ),
    ),
    Mutant(
        "copied-from-one",
        "R21 c",
        "the state of one voter is enough to be complete",
        configuration,
        "r21c_may_complete",
        one_state,
        corners.IGNORANT,
    ),
    Mutant(
        "second-life-votes",
        "R21 d",
        "a voter that lost its disk votes under its old id",
        configuration,
        "r21d_same_life",
        always,
        mixes.LOST_VOTERS,
        spared="an operator brings a voter that lost its disk back under a new id only",
        beside=((Machine, "lose", comes_back_empty),),
    ),
    Mutant(
        "founded-by-majority",
        "R21 d",
        "a majority of the founding voters founds a cluster",
        configuration,
        "r21d_founded",
        majority_founds,
        corners.FOUNDED_TWICE,
    ),
)
