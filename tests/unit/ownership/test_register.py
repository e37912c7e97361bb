"""A voter's answers, rule by rule: R2, R3, R5 (timer), R6, R8 a and c, R12, R15, R22."""

from __future__ import annotations

import pytest

from nexus.ownership import register as rules
from nexus.ownership.shard import VoterShard
from nexus.ownership.values import DEAD, FENCED, NO_SESSION, RELEASED, Ballot, Grant, Seal, Session

H = 1_000_000
DRIFT = 1_000
TIMER = 1_002_003
"""H (1+r)/(1-r), rounded up: what a voter waits for a holder's H."""
ABC = ("a", "b", "c")
FIRST = Session(1, 1)


def ballot(counter, node="a", incarnation=1, session=1):
    return Ballot(counter, node, incarnation, session)


def grant(counter=5, owner="a", registration=1, incarnation=1, horizon=H, quarantine=False):
    epoch = ballot(counter, owner, incarnation)
    return Grant(epoch, owner, registration, incarnation, horizon, quarantine)


def granted(slow=0, **terms):
    voter = VoterShard()
    assert rules.accept(voter, grant(**terms), slow, DRIFT) == rules.OK
    return voter


def renewed(voter, slow, *, session=FIRST, mclt=100):
    return rules.renew(voter, voter.epoch, session, slow, DRIFT, mclt)


# --- R2 --------------------------------------------------------------------------------------


def test_r2_a_lost_disk_and_a_clone_make_other_ballots():
    made = {rules.r2_ballot(5, "a", inc, session) for inc in (1, 2) for session in (1, 2)}
    assert len(made) == 4


def test_r2_a_voters_second_answer_counts_once():
    answers: dict[str, int] = {}
    rules.r2_count(answers, "a", 1, ABC)
    rules.r2_count(answers, "a", 2, ABC)
    rules.r2_count(answers, "stranger", 3, ABC)
    assert answers == {"a": 2}
    assert rules.r2_distinct(["a", "a"]) == {"a"}


@pytest.mark.parametrize(
    ("counter", "node", "answer"),
    [
        (4, "z", rules.REFUSED_COUNTER),
        (5, "z", rules.REFUSED_COUNTER),
        (6, "a", rules.OK),
    ],
)
def test_r2_the_counter_grows_from_grant_to_grant(counter, node, answer):
    voter = granted(counter=5, owner="b")
    voter.promised = ballot(1)
    assert rules.prepare(voter, ballot(counter, node), TIMER) == answer
    assert (voter.promised == ballot(counter, node)) == (answer == rules.OK)


def test_r2_a_promise_shuts_out_lower_ballots_everywhere():
    voter = granted()
    late = 2 * TIMER
    assert rules.prepare(voter, ballot(9), late) == rules.OK
    assert rules.prepare(voter, ballot(9), late) == rules.OK, "a duplicate is answered again"
    assert rules.prepare(voter, ballot(8, "z"), late) == rules.REFUSED_PROMISE
    assert rules.accept(voter, grant(8, "z"), late, DRIFT) == rules.REFUSED_PROMISE
    assert renewed(voter, late) == rules.REFUSED_PROMISE


# --- R3 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slow", "mark", "over"),
    [
        (TIMER - 1, None, False),
        (TIMER, None, True),
        (0, RELEASED, True),
        (0, FENCED, True),
        (0, DEAD, True),
    ],
)
def test_r3_a_grant_is_over_by_the_voters_own_timer_or_by_a_mark(slow, mark, over):
    voter = granted()
    voter.mark = mark
    assert rules.r3_previous_over(voter, slow) == over
    assert rules.r3_at_prepare(voter, slow) == over
    assert rules.r3_at_accept(voter, slow) == over


def test_r3_a_pinned_grant_is_never_over_by_itself():
    voter = granted(horizon=None)
    assert voter.timer_until is None
    assert not rules.r3_previous_over(voter, 1 << 62)
    assert rules.r3_wait_ns(voter, 5) == 0
    voter.mark = FENCED
    assert rules.r3_previous_over(voter, 0)


def test_r3_is_asked_again_at_accept():
    voter = granted()
    assert rules.prepare(voter, ballot(6, "b"), TIMER) == rules.OK
    voter.timer_until = 2 * TIMER
    assert rules.accept(voter, grant(6, "b"), TIMER, DRIFT) == rules.REFUSED_TIMER
    assert voter.epoch == ballot(5)


def test_r3_a_voter_renews_only_the_epoch_that_it_accepted_last():
    voter = granted()
    old = voter.epoch
    assert rules.accept(voter, grant(6, "b"), TIMER, DRIFT) == rules.OK
    assert not rules.r3_same_epoch(voter, old)
    answer = rules.renew(voter, old, Session(1, 1), TIMER, DRIFT, 100)
    assert answer == rules.REFUSED_EPOCH
    assert not rules.r3_same_epoch(VoterShard(), old)


@pytest.mark.parametrize("mark", [RELEASED, FENCED, DEAD])
def test_r3_a_marked_epoch_is_never_renewed(mark):
    voter = granted()
    voter.mark = mark
    assert renewed(voter, 1) == rules.REFUSED_MARK
    assert voter.timer_until == TIMER


def test_r3_what_is_left_of_a_timer():
    voter = granted()
    assert rules.r3_wait_ns(voter, 3) == TIMER - 3
    assert rules.r3_wait_ns(voter, TIMER + 3) == 0


def test_r10_a_generation_is_over_when_all_its_grants_are():
    over, held = granted(), granted(slow=10)
    assert rules.r10_generation_over([over, VoterShard()], TIMER)
    assert not rules.r10_generation_over([over, held], TIMER)


def test_an_accept_begins_a_new_history():
    voter = granted()
    assert renewed(voter, 1) == rules.OK
    voter.acked_seq, voter.commit_seq, voter.mark = 7, 6, RELEASED
    assert rules.accept(voter, grant(6, "b"), 2, DRIFT) == rules.OK
    assert (voter.acked_seq, voter.commit_seq, voter.mark) == (0, 0, None)
    assert (voter.last_held, voter.last_commit) == ((5, 7), (5, 6))
    assert voter.session == NO_SESSION
    assert voter.timer_until == 2 + TIMER


def test_a_duplicate_accept_changes_nothing():
    voter = granted()
    voter.mark, voter.acked_seq = RELEASED, 3
    assert rules.accept(voter, grant(), TIMER, DRIFT) == rules.OK
    assert (voter.mark, voter.acked_seq, voter.timer_until) == (RELEASED, 3, TIMER)


# --- R5, R6, R22 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("horizon", "drift", "until"),
    [(H, 0, 10 + H), (H, DRIFT, 10 + TIMER), (9, 100_000, 10 + 11), (None, DRIFT, None)],
)
def test_r5_a_timer_runs_from_receipt_and_outlasts_any_clock(horizon, drift, until):
    assert rules.r5_timer(10, horizon, drift) == until


def test_r5_a_renewal_starts_the_timer_again():
    voter = granted()
    assert renewed(voter, 500) == rules.OK
    assert voter.timer_until == 500 + TIMER


def test_r6_a_restarted_voter_assumes_that_it_acknowledged_just_now():
    voter = granted()
    voter.timer_until, voter.quarantine_until = 0, 3
    rules.r6_restart(voter, 700, DRIFT)
    assert (voter.timer_until, voter.quarantine_until) == (700 + TIMER, None)
    assert renewed(voter, 701) == rules.OK, "its owner need not wait"
    nobody = VoterShard()
    rules.r6_restart(nobody, 700, DRIFT)
    assert nobody.timer_until == 0


def test_r22_an_older_session_is_superseded():
    voter = granted()
    assert renewed(voter, 1, session=Session(2, 9)) == rules.OK
    assert renewed(voter, 2, session=Session(1, 99)) == rules.SUPERSEDED
    assert renewed(voter, 3, session=Session(2, 9)) == rules.OK
    assert renewed(voter, 4, session=Session(3, 0)) == rules.OK
    assert voter.timer_until == 4 + TIMER


@pytest.mark.parametrize(
    ("session", "nonce", "alarm"),
    [(Session(1, 1), 5, True), (Session(1, 1), 6, False), (Session(1, 2), 5, False)],
)
def test_r22_only_the_answer_to_the_challenge_is_a_clone(session, nonce, alarm):
    assert rules.r22_clone((Session(1, 1), 5), session, nonce) == alarm


# --- R8 --------------------------------------------------------------------------------------


def test_r8a_records_are_held_for_the_accepted_epoch_whatever_is_promised():
    voter = granted()
    old = voter.epoch
    voter.promised = ballot(99)
    assert rules.r8a_may_hold(voter, old)
    voter.promised = old
    assert rules.accept(voter, grant(6, "b"), TIMER, DRIFT) == rules.OK
    assert not rules.r8a_may_hold(voter, old)
    assert not rules.r8a_may_hold(VoterShard(), old)


@pytest.mark.parametrize(
    ("acked", "after", "last", "now"), [(3, 3, 5, 5), (3, 2, 5, 5), (3, 4, 9, 3), (7, 0, 5, 7)]
)
def test_r8a_an_acknowledgement_says_that_everything_below_is_there(acked, after, last, now):
    voter = granted()
    voter.acked_seq = acked
    assert rules.r8a_cumulative(voter, after, last) == now


def test_r8c_a_read_is_answered_after_the_accept_only():
    voter = granted()
    assert rules.r8c_may_answer_read(voter, voter.epoch)
    assert not rules.r8c_may_answer_read(voter, ballot(6, "b"))
    assert not rules.r8c_may_answer_read(VoterShard(), ballot(6, "b"))


# --- R12, R15 --------------------------------------------------------------------------------


def test_r12_a_release_is_of_the_accepted_epoch():
    voter = granted()
    seal = Seal(voter.epoch, 4, 77)
    assert rules.r12_release(voter, Seal(ballot(4), 4, 77)) == rules.REFUSED_EPOCH
    assert (voter.mark, voter.seal) == (None, None)
    assert rules.r12_release(voter, seal) == rules.OK
    assert (voter.mark, voter.seal) == (RELEASED, seal)


@pytest.mark.parametrize(
    ("fenced_upto", "registration", "may"), [(0, 1, True), (1, 1, False), (1, 2, True)]
)
def test_r15_a_fenced_registration_gets_no_grant(fenced_upto, registration, may):
    assert rules.r15_may_be_granted(fenced_upto, registration) == may


@pytest.mark.parametrize(
    ("member", "upto", "mark", "fenced"),
    [
        ("a", 2, None, True),
        ("a", 1, None, False),
        ("b", 2, None, False),
        ("a", 2, RELEASED, False),
        ("a", 2, DEAD, False),
    ],
)
def test_r15_a_fence_names_the_registration(member, upto, mark, fenced):
    voter = granted(registration=2)
    voter.mark = mark
    assert rules.r15_fence(voter, member, range(upto + 1)) == fenced
    assert voter.mark == (FENCED if fenced else mark)


@pytest.mark.parametrize(
    ("member", "incarnation", "mark", "dead"),
    [
        ("a", 2, None, True),
        ("a", 1, None, False),
        ("b", 2, None, False),
        ("a", 2, DEAD, False),
        ("a", 2, FENCED, True),
    ],
)
def test_r15_a_lost_disk_kills_the_grants_of_its_incarnation(member, incarnation, mark, dead):
    voter = granted()
    voter.mark = mark
    assert rules.r15_dead(voter, member, incarnation) == dead
    assert voter.mark == (DEAD if dead else mark)


@pytest.mark.parametrize(
    ("known", "incarnation", "lost"), [(0, 1, False), (1, 1, False), (1, 2, True)]
)
def test_r15_another_incarnation_is_a_lost_disk(known, incarnation, lost):
    assert rules.r15_disk_lost(known, incarnation) == lost


def test_r15_the_duty_ends_when_it_was_renewed_and_then_waited_out():
    voter = granted(quarantine=True)
    assert rules.r15_duty_of(voter)
    rules.r15_duty(voter, 10, 100)
    assert (voter.quarantine, voter.quarantine_until) == (True, 110)
    rules.r15_duty(voter, 109, 100)
    assert rules.r15_duty_of(voter), "a renewal alone does not end it"
    rules.r15_duty(voter, 110, 100)
    assert not rules.r15_duty_of(voter)


def test_r15_the_duty_starts_anew_at_a_restarted_voter():
    voter = granted(quarantine=True)
    assert renewed(voter, 10, mclt=1_000) == rules.OK
    rules.r6_restart(voter, 500, DRIFT)
    assert renewed(voter, 2_000, mclt=1_000) == rules.OK
    assert voter.quarantine
    assert renewed(voter, 3_003, mclt=1_000) == rules.OK
    assert not voter.quarantine


def test_r15_a_dead_mark_is_a_duty_and_one_voter_that_knows_is_enough():
    voter = granted()
    assert not rules.r15_duty_of(voter)
    voter.mark = DEAD
    assert rules.r15_duty_of(voter)
    assert rules.r15_duty_or([False, True])
    assert not rules.r15_duty_or([False, False])


def test_r15_a_duty_that_was_not_waited_out_is_said_to_the_next_candidate():
    voter = granted(quarantine=True)
    voter.mark = RELEASED
    assert rules.r15_duty_of(voter)
