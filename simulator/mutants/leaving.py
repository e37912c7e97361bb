"""R12, R15 and R20 taken away: drains, fences, lost disks, and doubles of one subscriber."""

from __future__ import annotations

from nexus.core.releasing import Releasing
from nexus.ownership import holding, pool_state, register
from nexus.ownership.shard import PERMANENT, OwnerShard, Row, VoterShard
from nexus.ownership.values import DEAD
from simulator.mutants import mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always, never, nothing


def duty_ends_at_once(voter: VoterShard, slow: int, wait_ns: int) -> None:
    del slow, wait_ns
    voter.quarantine = False


def dead_only(voter: VoterShard) -> bool:
    return voter.mark == DEAD


def permanent(owner: OwnerShard, row: Row) -> bool:
    del owner
    return row.kind == PERMANENT


def committed(owner: OwnerShard, row: Row) -> bool:
    return (row.epoch, row.seq) <= owner.confirm


def last_comes_first(one: Row, other: Row) -> tuple[Row, Row]:
    return other, one


MUTANTS = (
    Mutant(
        "release-before-replicated",
        "R12",
        "RELEASE is sent before the tail is replicated",
        holding,
        "r12_may_release",
        always,
        mixes.TAILS,
    ),
    Mutant(
        "seal-not-persisted",
        "R12",
        "a restart forgets the seal and serves the epoch again",
        Releasing,
        "r12_persist_seal",
        nothing,
        mixes.TAILS,
        spared=(
            "a restarted owner holds nothing before a majority renews its epoch, and finds "
            "the release's mark (R3) or a promise there"
        ),
    ),
    Mutant(
        "quarantine-drains",
        "R12",
        "a shard in quarantine is drained",
        holding,
        "r12_may_drain",
        always,
        mixes.PASSED_ON,
        spared=(
            "a release leaves the voters' duty as it is, so the next owner starts in "
            "quarantine all the same (duty-not-inherited)"
        ),
    ),
    Mutant(
        "fenced-is-granted",
        "R15 ii",
        "a fenced registration gets grants without registering again",
        register,
        "r15_may_be_granted",
        always,
        mixes.FENCED_RETURN,
        spared=(
            "its harm is a data plane that was not emptied before its member registered "
            "again; the world switches data planes off at a fence for good"
        ),
    ),
    Mutant(
        "no-quarantine",
        "R15 iv",
        "addresses of a lost disk's shard are given at once",
        holding,
        "r15_quarantined",
        never,
        mixes.PASSED_ON,
    ),
    Mutant(
        "duty-of-all-voters",
        "R15 iv",
        "the quarantine duty counts only if every voter of the majority knows it",
        register,
        "r15_duty_or",
        all,
        mixes.PASSED_ON,
        spared=(
            "a voter that has not heard of the lost disk promises only when its timer has run "
            "out (R3), and then every lease that nobody knows of has ended with the hold (R8)"
        ),
    ),
    Mutant(
        "duty-not-inherited",
        "R15 iv",
        "a duty that was not waited out does not pass on to the next grant",
        register,
        "r15_duty_of",
        dead_only,
        mixes.PASSED_ON,
    ),
    Mutant(
        "duty-ends-with-renewal",
        "R15 iv",
        "the duty ends with the first renewal",
        register,
        "r15_duty",
        duty_ends_at_once,
        mixes.PASSED_ON,
    ),
    Mutant(
        "any-record-confirmed",
        "R15 iv",
        "every record may be confirmed in quarantine",
        holding,
        "r15_may_confirm",
        always,
        mixes.UNSEEN,
        spared=(
            "R10 as it is built frees nothing, expired leases included, before the closing is "
            "replicated: an open record that is read cannot have been given away unseen"
        ),
    ),
    Mutant(
        "ttl-records-confirmed",
        "R15 iv",
        "committed records with an end are confirmed in quarantine",
        holding,
        "r15_may_confirm",
        committed,
        mixes.UNSEEN,
        spared=(
            "R10 as it is built frees nothing, expired leases included, before the closing is "
            "replicated: an open record that is read cannot have been given away unseen"
        ),
    ),
    Mutant(
        "uncommitted-records-confirmed",
        "R15 iv",
        "permanent records above the commit seq are confirmed in quarantine",
        holding,
        "r15_may_confirm",
        permanent,
        mixes.UNSEEN,
        spared=(
            "R10 as it is built frees nothing, expired leases included, before the closing is "
            "replicated: an open record that is read cannot have been given away unseen"
        ),
    ),
    Mutant(
        "quarantine-too-short",
        "R15 iv",
        "the quarantine is shorter than MCLT",
        holding,
        "r15_quarantine_until",
        lambda slow, mclt_ns, drift_ppm: slow + mclt_ns // 10,
        mixes.PASSED_ON,
    ),
    Mutant(
        "elder-by-arrival",
        "R20",
        "of two allocations of one subscriber each node retires another one",
        pool_state,
        "r20_elder",
        last_comes_first,
        mixes.TWINS,
    ),
)
