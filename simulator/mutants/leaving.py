"""R12, R15 and R20 taken away: drains, fences, lost disks, and doubles of one subscriber."""

from __future__ import annotations

from nexus.core.releasing import Releasing
from nexus.ownership import holding, pool_state, records, register
from nexus.ownership.shard import PERMANENT, OwnerShard, Row, VoterShard
from nexus.ownership.values import DEAD, FENCED, RELEASED, Seal
from simulator.mutants import corners, mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always, never, nothing


def duty_ends_at_once(voter: VoterShard, slow: int, wait_ns: int) -> None:
    del slow, wait_ns
    voter.quarantine = False


def dead_only(voter: VoterShard) -> bool:
    return voter.mark == DEAD


def any_epoch_released(voter: VoterShard, seal: Seal) -> str:
    voter.mark = RELEASED
    voter.seal = seal
    return register.OK


def every_registration_fenced(voter: VoterShard, member: str, registrations: object) -> bool:
    del registrations
    grant = voter.grant
    if grant is None or grant.owner != member or voter.mark is not None:
        return False
    voter.mark = FENCED
    return True


def every_life_buried(voter: VoterShard, member: str, incarnation: int) -> bool:
    del incarnation
    grant = voter.grant
    if grant is None or grant.owner != member or voter.mark == DEAD:
        return False
    voter.mark = DEAD
    return True


def permanent(owner: OwnerShard, row: Row) -> bool:
    del owner
    return row.kind == PERMANENT


def committed(owner: OwnerShard, row: Row) -> bool:
    return (row.epoch, row.seq) <= owner.confirm


FREED_WHEN_REPLICATED = (
    "R10 frees nothing, expired leases included, before its closing is replicated: an open record "
    "that is read cannot have been given away unseen"
)


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
        corners.UNDER_WAY,
    ),
    Mutant(
        "old-release-counts",
        "R12",
        "a release of an older epoch marks the present grant",
        register,
        "r12_release",
        any_epoch_released,
        corners.OLD_RELEASES,
    ),
    Mutant(
        "served-grants-given-back",
        "R12",
        "after a restart grants that were won and served are given back like unwon ones",
        holding,
        "r12_never_won",
        always,
        corners.BACK_AND_CUT_OFF,
    ),
    Mutant(
        "quarantine-drains",
        "R12",
        "a shard in quarantine is drained",
        holding,
        "r12_may_drain",
        always,
        mixes.PASSED_ON,
        spared="a release leaves the duty with the voters (R15 iv), so the next owner has it",
        beside=((register, "r15_duty_of", dead_only),),
    ),
    Mutant(
        "fenced-is-granted",
        "R15 ii",
        "a fenced registration gets grants without registering again",
        register,
        "r15_may_be_granted",
        always,
        corners.FENCED_CANDIDATE,
    ),
    Mutant(
        "fence-of-all-registrations",
        "R15 ii",
        "a fence that is heard late marks what its member was granted since",
        register,
        "r15_fence",
        every_registration_fenced,
        corners.FENCED_AND_BACK,
    ),
    Mutant(
        "living-buried",
        "R15 iv",
        "a lost disk marks the grants of the disk that followed it too",
        register,
        "r15_dead",
        every_life_buried,
        mixes.DISKS,
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
        corners.UNAWARE,
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
        corners.UNSEEN_ENDS,
        spared=FREED_WHEN_REPLICATED,
        beside=((records, "r10_release_frees", always),),
    ),
    Mutant(
        "ttl-records-confirmed",
        "R15 iv",
        "committed records with an end are confirmed in quarantine",
        holding,
        "r15_may_confirm",
        committed,
        corners.UNSEEN_ENDS,
        spared=FREED_WHEN_REPLICATED,
        beside=((records, "r10_release_frees", always),),
    ),
    Mutant(
        "uncommitted-records-confirmed",
        "R15 iv",
        "permanent records above the commit seq are confirmed in quarantine",
        holding,
        "r15_may_confirm",
        permanent,
        corners.UNSEEN_OFFERS,
        spared=FREED_WHEN_REPLICATED,
        beside=((records, "r10_release_frees", always),),
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
