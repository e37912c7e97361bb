"""R2, R3, R4 and R14 taken away: who is granted a shard, and when."""

from __future__ import annotations

from typing import Any

from nexus.ownership import configuration, holding, register
from nexus.ownership.shard import VoterShard
from nexus.ownership.values import DEAD, FENCED, RELEASED, Ballot
from simulator.mutants import corners, mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always, anybody


def every_answer(answers: dict[str, Any], sender: str, answer: Any, voters: Any) -> None:
    if sender not in answers:
        answers[sender] = answer
        return
    for voter in voters:
        if voter not in answers:
            answers[voter] = answer
            return


def bare_ballot(counter: int, node: str, incarnation: int, session: int) -> Ballot:
    del incarnation, session
    return Ballot(counter, node, 0, 0)


def hold_from_winning(fast: int, horizon_ns: int | None) -> int:
    return holding.FOREVER if horizon_ns is None else fast + horizon_ns


def after_two_renewals(voter: VoterShard, slow: int) -> bool:
    grant = voter.grant
    if grant is None or voter.mark in (RELEASED, FENCED, DEAD):
        return True
    if voter.timer_until is None or grant.horizon_ns is None:
        return False
    return slow >= voter.timer_until - grant.horizon_ns * 2 // 3


MUTANTS = (
    Mutant(
        "every-answer-counts",
        "R2",
        "a voter's second answer counts like another voter's",
        register,
        "r2_count",
        every_answer,
        mixes.TWICE,
    ),
    Mutant(
        "one-voter-grants",
        "R2",
        "one voter's promise and acceptance make a grant",
        configuration,
        "r2_granted",
        anybody,
        corners.UNAWARE,
    ),
    Mutant(
        "promise-not-kept",
        "R2",
        "a lower ballot passes a voter that has promised a higher one",
        register,
        "r2_kept",
        always,
        mixes.SLOW_ACCEPTS,
        spared="R3, asked again at accept, keeps grants apart without it",
        beside=((register, "r3_at_accept", always),),
    ),
    Mutant(
        "counter-may-repeat",
        "R2",
        "two grants of a shard may have one counter",
        register,
        "r2_counter_grows",
        always,
        corners.NEWCOMERS,
    ),
    Mutant(
        "ballot-without-incarnation",
        "R2",
        "a lost disk may repeat a ballot",
        register,
        "r2_ballot",
        bare_ballot,
        corners.PROPOSERS,
    ),
    Mutant(
        "no-recheck-at-accept",
        "R3",
        "the timer is asked at prepare only",
        register,
        "r3_at_accept",
        always,
        mixes.SLOW_ACCEPTS,
        spared="a promise (R2) stops the renewals that would have to be seen at accept",
        beside=((register, "r2_kept", always),),
    ),
    Mutant(
        "no-timer-for-grants",
        "R3",
        "the previous grant's timer is not asked at all",
        register,
        "r3_previous_over",
        always,
        mixes.CUTS,
    ),
    Mutant(
        "old-epoch-renewed",
        "R3",
        "a voter that has accepted a new epoch still renews the old one",
        register,
        "r3_same_epoch",
        lambda voter, epoch: voter.grant is not None,
        mixes.CUTS,
        spared="the promise of the new epoch (R2) refuses the old one's renewals",
        beside=((register, "r2_kept", always),),
    ),
    Mutant(
        "marked-epoch-renewed",
        "R3",
        "a released, fenced or dead epoch is renewed",
        register,
        "r3_may_renew",
        always,
        corners.FENCED_CANDIDATE,
    ),
    Mutant(
        "serves-unrenewed",
        "R4",
        "the hold begins when the grant is won",
        holding,
        "r4_first_hold",
        hold_from_winning,
        mixes.UNRENEWED,
    ),
    Mutant(
        "expired-by-suspicion",
        "R14",
        "a shard is granted anew after two missed renewals",
        register,
        "r3_previous_over",
        after_two_renewals,
        mixes.CUTS,
    ),
)
