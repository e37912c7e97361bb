"""An owner's questions, rule by rule: R4, R5 (hold), R7, R8, R9, R12, R15."""

from __future__ import annotations

import pytest

from nexus.ownership import holding as rules
from nexus.ownership.shard import (
    DRAINING,
    FLAG_DOUBTFUL,
    HELD,
    PERMANENT,
    READING,
    RENEWING,
    SEALED,
    SERVING,
    SESSION,
    STICKY,
    OwnerShard,
    Row,
)
from nexus.ownership.values import Ballot, Grant

H = 1_000


def owner(*, state=SERVING, hold=H, horizon=H, quarantine=False, until=None, confirm=(0, 0)):
    made = OwnerShard(Grant(Ballot(5, "a", 1, 1), "a", 1, 1, horizon, quarantine))
    made.state, made.hold_until = state, hold
    made.quarantine_until, made.confirm = until, confirm
    made.window_ns = horizon or 0
    return made


def row(*, kind=SESSION, epoch=4, seq=3, flags=0):
    return Row(1, "s", epoch, seq, HELD, kind, 60, 100, 100, 0, flags=flags)


def test_r4_what_was_just_won_holds_nothing_and_may_not_serve():
    fresh = OwnerShard(Grant(Ballot(5, "a", 1, 1), "a", 1, 1, H))
    assert rules.r4_first_hold(77, H) == 0
    assert rules.r4_first_hold(77, None) == 0
    assert not rules.r4_may_serve(fresh)
    assert not rules.r5_holds(fresh, 0)
    assert rules.r4_may_serve(owner())


@pytest.mark.parametrize(("horizon", "until"), [(H, 10 + H), (None, rules.FOREVER)])
def test_r5_the_hold_counts_from_before_sending(horizon, until):
    assert rules.r5_hold_until(10, 900, horizon) == until


@pytest.mark.parametrize(("fast", "held"), [(H - 1, True), (H, False)])
def test_r5_a_hold_ends_at_its_instant(fast, held):
    assert rules.r5_holds(owner(), fast) == held
    assert rules.r9_still_holds(owner(), fast) == held


@pytest.mark.parametrize(
    ("refused", "fast", "gives_up"),
    [(5, H + 20, True), (5, H + 19, False), (None, H + 20, False)],
)
def test_r5_who_is_refused_gives_up_two_intervals_past_its_hold(refused, fast, gives_up):
    made = owner()
    made.refused_at = refused
    assert rules.r5_gives_up(made, fast, 10) == gives_up


@pytest.mark.parametrize(
    ("state", "fast", "until", "may"),
    [
        (SERVING, 899, None, True),
        (SERVING, 900, None, False),
        (DRAINING, 0, None, False),
        (RENEWING, 0, None, False),
        (SERVING, 0, 51, False),
        (SERVING, 0, 50, True),
    ],
)
def test_r7_new_leases_need_a_served_shard_and_a_good_part_of_the_hold(state, fast, until, may):
    assert rules.r7_may_allocate(owner(state=state, until=until), fast, 50) == may


def test_r7_a_pinned_grant_has_no_last_tenth():
    assert rules.r7_may_allocate(owner(hold=rules.FOREVER, horizon=None), 1 << 60, 0)


@pytest.mark.parametrize(
    ("state", "fast", "may"),
    [
        (SERVING, H - 1, True),
        (DRAINING, H - 1, True),
        (SERVING, H, False),
        (SEALED, 0, False),
        (READING, 0, False),
    ],
)
def test_r7_changes_need_the_hold_and_go_on_while_draining(state, fast, may):
    assert rules.r7_may_change(owner(state=state), fast) == may


@pytest.mark.parametrize(("fast", "mclt", "hold", "limit"), [(10, 50, 1_000, 60), (10, 50, 40, 40)])
def test_r8_what_nobody_else_knows_ends_by_mclt_and_by_the_hold(fast, mclt, hold, limit):
    assert rules.r8_tell_limit(fast, mclt, hold) == limit


@pytest.mark.parametrize(
    ("sent", "fast", "hold", "counts"),
    [(10, 15, 100, True), (10, 16, 100, False), (10, 15, 15, False), (10, 14, 15, True)],
)
def test_r8b_an_acknowledgement_counts_soon_and_while_held(sent, fast, hold, counts):
    assert rules.r8b_counts(sent, fast, 5, hold) == counts


@pytest.mark.parametrize(
    ("ends", "mclt", "left", "needs"),
    [
        (0, 50, 50, True),
        (150, 50, 80, False),
        (151, 50, 80, True),
        (131, 50, 30, True),
        (101, 50, -1, True),
    ],
)
def test_r8d_long_answers_need_a_round(ends, mclt, left, needs):
    assert rules.r8d_needs_round(ends, 100, mclt, left) == needs


def test_r8d_only_rounds_begun_after_the_question_confirm():
    assert rules.r8d_confirmed(7, {"a": 6, "b": 7, "c": 9}) == {"b", "c"}


def test_r8d_who_holds_a_seq_holds_everything_below():
    assert rules.r8d_holding(7, {"a": 6, "b": 7, "c": 9}) == {"b", "c"}


@pytest.mark.parametrize(("hold", "limit"), [(100, 15), (12, 12)])
def test_r9_an_order_ends_with_the_hold_or_soon(hold, limit):
    assert rules.r9_not_after(hold, 10, 5) == limit


@pytest.mark.parametrize(("seq", "commit", "may"), [(4, 4, True), (5, 4, False), (0, 0, True)])
def test_r12_what_is_not_replicated_is_not_released(seq, commit, may):
    made = owner()
    made.seq, made.commit_seq = seq, commit
    assert rules.r12_may_release(made) == may


@pytest.mark.parametrize(
    ("until", "slow", "waits"), [(None, 0, False), (9, 8, True), (9, 9, False)]
)
def test_r15_a_quarantine_ends_at_its_instant_and_until_then_nothing_drains(until, slow, waits):
    made = owner(until=until)
    assert rules.r15_quarantined(made, slow) == waits
    assert rules.r12_may_drain(made, slow) != waits


def test_r15_a_quarantine_outlasts_mclt_on_any_clock():
    assert rules.r15_quarantine_until(10, 900, 100_000) == 10 + 1_100


@pytest.mark.parametrize(
    ("kind", "epoch", "seq", "may"),
    [
        (PERMANENT, 4, 3, True),
        (PERMANENT, 4, 4, False),
        (PERMANENT, 3, 99, True),
        (PERMANENT, 5, 1, False),
        (SESSION, 4, 3, False),
        (STICKY, 4, 3, False),
    ],
)
def test_r15_only_committed_permanent_records_are_confirmed(kind, epoch, seq, may):
    assert rules.r15_may_confirm(owner(confirm=(4, 3)), row(kind=kind, epoch=epoch, seq=seq)) == may


def test_r15_doubt_needs_a_quarantine_and_is_inherited():
    good = row(kind=PERMANENT)
    assert not rules.r15_doubtful(owner(), row())
    assert rules.r15_doubtful(owner(quarantine=True, confirm=(4, 3)), row())
    assert not rules.r15_doubtful(owner(quarantine=True, confirm=(4, 3)), good)
    doubted = row(kind=PERMANENT, flags=FLAG_DOUBTFUL)
    assert rules.r15_doubtful(owner(quarantine=True, confirm=(4, 3)), doubted)


@pytest.mark.parametrize(("age", "until"), [(None, 900), (50, 60), (2_000, 900)])
def test_r5_without_a_running_clock_a_hold_is_as_young_as_a_voters_answer(age, until):
    assert rules.r5_witnessed_until(10, 900, age) == until


@pytest.mark.parametrize(
    ("horizon", "running", "granted"),
    [
        (9_000, True, 9_000),
        (None, True, None),
        (9_000, False, 15),
        (None, False, 15),
        (9, False, 9),
    ],
)
def test_r5_without_a_running_clock_there_is_no_offline_horizon(horizon, running, granted):
    assert rules.r5_offline_horizon(horizon, 15, running_clock=running) == granted
