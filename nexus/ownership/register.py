"""A voter's side of the grant registers: rules R2, R3, R5 (timer), R6, R8 a, R12, R15, R22.

Every function is one rule or clause, looks at one `VoterShard` and answers or changes that alone;
who calls them in which order is `nexus.core.voting`.  They are called through this module, so that
a simulation can replace exactly one of them and show what it is for.  ``slow`` is the voter's own
slow timeline (`nexus.ownership.clocks`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from nexus.ownership import clocks
from nexus.ownership.shard import VoterShard
from nexus.ownership.values import DEAD, FENCED, NO_SESSION, RELEASED, Ballot, Grant, Seal, Session

T = TypeVar("T")

OK = ""
REFUSED_PROMISE = "promised"
"""A higher ballot was promised; the answer carries it."""
REFUSED_COUNTER = "counter"
REFUSED_TIMER = "timer"
"""The previous grant may still be held by somebody."""
REFUSED_EPOCH = "epoch"
"""The voter's accepted epoch is another one."""
REFUSED_MARK = "marked"
"""The grant was released, fenced or is dead."""
REFUSED_FENCED = "fenced"
"""The candidate's registration was fenced."""
SUPERSEDED = "superseded"
"""A newer session of the same owner was acknowledged (R22)."""


def r2_ballot(counter: int, node: str, incarnation: int, session: int) -> Ballot:
    """The epoch of the grant to be made: neither a lost disk nor a clone can make it twice."""
    return Ballot(counter, node, incarnation, session)


def r2_kept(voter: VoterShard, ballot: Ballot) -> bool:
    """A promise of a ballot shuts out all lower ones."""
    return ballot >= voter.promised


def r2_counter_grows(voter: VoterShard, ballot: Ballot) -> bool:
    """A ballot's counter must be above that of the accepted epoch: counters alone are unique."""
    return voter.grant is None or ballot.counter > voter.grant.epoch.counter


def r2_count(answers: dict[str, T], sender: str, answer: T, voters: Iterable[str]) -> None:
    """An answer counts for the voter that gave it, however often it arrives."""
    if sender in voters:
        answers[sender] = answer


def r2_distinct(voters: Iterable[str]) -> frozenset[str]:
    """A reply counts once per voter, however often it arrives."""
    return frozenset(voters)


def r3_previous_over(voter: VoterShard, slow: int) -> bool:
    """The previous grant is over by this voter's own timer, or by a mark that it holds."""
    if voter.grant is None or voter.mark in (RELEASED, FENCED, DEAD):
        return True
    return voter.timer_until is not None and slow >= voter.timer_until


def r3_wait_ns(voter: VoterShard, slow: int) -> int:
    """How long the timer still runs, 0 if it is over or has no end."""
    return 0 if voter.timer_until is None else max(0, voter.timer_until - slow)


def r10_generation_over(voters: Iterable[VoterShard], slow: int) -> bool:
    """No grant of a deleted pool can still be held: R3, asked over generations of a range."""
    return all(r3_previous_over(voter, slow) for voter in voters)


def r3_at_prepare(voter: VoterShard, slow: int) -> bool:
    """R3 as it is asked when a candidate prepares."""
    return r3_previous_over(voter, slow)


def r3_at_accept(voter: VoterShard, slow: int) -> bool:
    """R3 asked again: the old owner may have renewed between prepare and accept."""
    return r3_previous_over(voter, slow)


def r3_same_epoch(voter: VoterShard, epoch: Ballot) -> bool:
    """A voter that has accepted an epoch never acknowledges an older one again."""
    return voter.grant is not None and voter.grant.epoch == epoch


def r3_may_renew(voter: VoterShard) -> bool:
    """After a release, fence or dead mark of an epoch it is never renewed."""
    return voter.mark is None


def r15_may_be_granted(fenced_up_to: int, registration: int) -> bool:
    """A fenced registration gets no grant; registering again makes a new one (R15 ii)."""
    return registration > fenced_up_to


def prepare(voter: VoterShard, ballot: Ballot, slow: int) -> str:
    """Answer a prepare: `OK` after promising, else why not."""
    if not r2_kept(voter, ballot):
        return REFUSED_PROMISE
    if not r2_counter_grows(voter, ballot):
        return REFUSED_COUNTER
    if not r3_at_prepare(voter, slow):
        return REFUSED_TIMER
    voter.promised = ballot
    return OK


def accept(voter: VoterShard, grant: Grant, slow: int, drift_ppm: int) -> str:
    """Answer an accept: `OK` after accepting (again, for a duplicate), else why not."""
    if voter.grant == grant:
        return OK
    if not r2_kept(voter, grant.epoch):
        return REFUSED_PROMISE
    if not r2_counter_grows(voter, grant.epoch):
        return REFUSED_COUNTER
    if not r3_at_accept(voter, slow):
        return REFUSED_TIMER
    if voter.commit_seq:
        voter.last_commit = (voter.epoch.counter, voter.commit_seq)
    if voter.acked_seq:
        voter.last_held = (voter.epoch.counter, voter.acked_seq)
    voter.promised = grant.epoch
    voter.grant = grant
    voter.mark = None
    voter.session = NO_SESSION
    voter.quarantine = grant.quarantine
    voter.quarantine_until = None
    voter.acked_seq = 0
    voter.commit_seq = 0
    voter.timer_until = r5_timer(slow, grant.horizon_ns, drift_ppm)
    return OK


def r5_timer(slow: int, horizon_ns: int | None, drift_ppm: int) -> int | None:
    """A voter's timer, started at *receipt*: ``H (1+r)/(1-r)`` outlasts the holder's H."""
    if horizon_ns is None:
        return None
    return slow + clocks.stretched_ns(horizon_ns, drift_ppm)


def r6_restart(voter: VoterShard, slow: int, drift_ppm: int) -> None:
    """A restarted voter assumes it acknowledged everything just now."""
    if voter.grant is not None:
        voter.timer_until = r5_timer(slow, voter.grant.horizon_ns, drift_ppm)
        voter.quarantine_until = None


def r22_session_ok(voter: VoterShard, session: Session) -> bool:
    """An older session of the same owner is never acknowledged again."""
    return session >= voter.session


def r22_clone(asked: tuple[Session, int], session: Session, nonce: int) -> bool:
    """A superseded session that answers a fresh challenge lives: a clone, no late duplicate."""
    return asked == (session, nonce)


def renew(
    voter: VoterShard, epoch: Ballot, session: Session, slow: int, drift_ppm: int, mclt_ns: int
) -> str:
    """Answer a renewal of one grant: `OK` after restarting the timer, else why not."""
    grant = voter.grant
    if grant is None or not r3_same_epoch(voter, epoch):
        return REFUSED_EPOCH
    if not r3_may_renew(voter):
        return REFUSED_MARK
    if not r22_session_ok(voter, session):
        return SUPERSEDED
    if not r2_kept(voter, epoch):
        return REFUSED_PROMISE
    voter.session = session
    voter.timer_until = r5_timer(slow, grant.horizon_ns, drift_ppm)
    if voter.quarantine:
        r15_duty(voter, slow, clocks.stretched_ns(mclt_ns, drift_ppm))
    return OK


def r15_duty(voter: VoterShard, slow: int, wait_ns: int) -> None:
    """The quarantine duty ends at a voter that renewed the grant *and* then waited it out."""
    if voter.quarantine_until is None:
        voter.quarantine_until = slow + wait_ns
    elif slow >= voter.quarantine_until:
        voter.quarantine = False


def r15_duty_of(voter: VoterShard) -> bool:
    """What a voter tells a candidate: the next grant starts in quarantine.

    A dead mark is a lost disk; a duty not waited out yet passes on to the next grant.
    """
    return voter.mark == DEAD or voter.quarantine


def r15_duty_or(duties: Iterable[bool]) -> bool:
    """The duty is the OR over the promise majority: one voter that knows is enough."""
    return any(duties)


def r8a_may_hold(voter: VoterShard, epoch: Ballot) -> bool:
    """Records are acknowledged only of the epoch accepted last.

    A promise of a higher ballot does not stop them: nobody may ever finish it.
    """
    return voter.grant is not None and voter.grant.epoch == epoch


def r8a_cumulative(voter: VoterShard, after_seq: int, last_seq: int) -> int:
    """The seq up to which this voter now has *every* record, when (after, last] is on its disk."""
    if after_seq <= voter.acked_seq:
        return max(voter.acked_seq, last_seq)
    return voter.acked_seq


def r8c_may_answer_read(voter: VoterShard, epoch: Ballot) -> bool:
    """A successor's read counts only from a voter that has accepted the successor's epoch.

    From then on it acknowledges nothing of an older one, so nothing can slip in behind the read.
    """
    return voter.grant is not None and voter.grant.epoch == epoch


def r12_release(voter: VoterShard, seal: Seal) -> str:
    """A sealed release of the accepted epoch: the next grant need not wait for the timer."""
    if voter.grant is None or voter.grant.epoch != seal.epoch:
        return REFUSED_EPOCH
    voter.mark = RELEASED
    voter.seal = seal
    return OK


def r15_fence(voter: VoterShard, member: str, registrations: Collection[int]) -> bool:
    """Mark the grant if it belongs to a fenced registration; True if that changed something."""
    grant = voter.grant
    if grant is None or grant.owner != member or grant.registration not in registrations:
        return False
    if voter.mark in (RELEASED, FENCED, DEAD):
        return False
    voter.mark = FENCED
    return True


def r15_disk_lost(known: int, incarnation: int) -> bool:
    """The member is known by another incarnation of its disk; 0 is none known yet."""
    return known not in (0, incarnation)


def r15_dead(voter: VoterShard, member: str, incarnation: int) -> bool:
    """Mark the grant dead if its owner's disk of that incarnation is lost."""
    grant = voter.grant
    if grant is None or grant.owner != member or grant.incarnation == incarnation:
        return False
    if voter.mark == DEAD:
        return False
    voter.mark = DEAD
    return True
