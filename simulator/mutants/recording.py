"""R7, R8, R17 and R18 taken away: what is on disk, what others know, what a successor reads."""

from __future__ import annotations

from typing import Any

from nexus.core.context import Context
from nexus.core.node import NexusNode
from nexus.ownership import configuration, holding, records, register
from nexus.ownership.shard import CLOSED, Row, VoterShard
from simulator.mutants import corners, mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always, anybody, never, nothing


def at_once(self: Context, step: Any, argument: Any) -> None:
    if not self.replaying:
        step(argument)


def everything_below(voter: VoterShard, after_seq: int, last_seq: int) -> int:
    del after_seq
    return max(voter.acked_seq, last_seq)


def nothing_read(reads: Any, floor: int) -> dict[int, Row]:
    del reads, floor
    return {}


def first_read(reads: Any, floor: int) -> dict[int, Row]:
    union: dict[int, Row] = {}
    for rows in reads:
        for row in rows:
            if not records.r18_below_floor(row.epoch, floor):
                union.setdefault(row.index, row)
    return dict(sorted(union.items()))


def open_only(row: Row, slow: int) -> bool:
    del slow
    return row.length != CLOSED


def everybody(seq: int, acked: Any) -> frozenset[str]:
    del seq
    return frozenset(acked)


MUTANTS = (
    Mutant(
        "said-before-disk",
        "R7",
        "answers and messages leave before what they rest on is on disk",
        Context,
        "when_durable",
        at_once,
        mixes.CRASHES,
    ),
    Mutant(
        "allocates-unheld",
        "R7",
        "new leases are given whether the shard is held or not",
        holding,
        "r7_may_allocate",
        always,
        mixes.DISKS,
    ),
    Mutant(
        "long-leases-unreplicated",
        "R8 d",
        "a lease of any length is told without a majority",
        holding,
        "r8d_needs_round",
        never,
        mixes.LEASES,
    ),
    Mutant(
        "no-mclt-cap",
        "R8",
        "a provisional lease lasts to the end of the hold, however long that is",
        holding,
        "r8_tell_limit",
        lambda fast, mclt_ns, hold_until: hold_until,
        mixes.LONG_HOLDS,
    ),
    Mutant(
        "not-capped-by-hold",
        "R8",
        "a provisional lease lasts MCLT, past the hold",
        holding,
        "r8_tell_limit",
        lambda fast, mclt_ns, hold_until: fast + mclt_ns,
        mixes.CUTS,
    ),
    Mutant(
        "one-voter-replicates",
        "R8",
        "a record counts as replicated, and a round as answered, when one voter says so",
        configuration,
        "r8_replicated",
        anybody,
        mixes.DEAF,
        also=((configuration, "r8d_confirmed_by", anybody),),
    ),
    Mutant(
        "old-acknowledgements-count",
        "R8 a",
        "a voter that has acknowledged anything of the epoch counts for every record",
        holding,
        "r8d_holding",
        everybody,
        corners.HALF_SEEN,
    ),
    Mutant(
        "old-epoch-acknowledged",
        "R8 a",
        "a voter acknowledges records of an epoch that it has replaced",
        register,
        "r8a_may_hold",
        lambda voter, epoch: voter.grant is not None,
        mixes.PICKY,
    ),
    Mutant(
        "gaps-acknowledged",
        "R8 a",
        "an acknowledgement does not say that everything below is there",
        register,
        "r8a_cumulative",
        everything_below,
        mixes.PICKY,
        spared=(
            "a push always starts at what its voter has acknowledged on disk, so there is "
            "never a gap to pass over"
        ),
    ),
    Mutant(
        "late-acknowledgement-counts",
        "R8 b",
        "an acknowledgement counts however late it comes",
        holding,
        "r8b_counts",
        always,
        mixes.PICKY,
        spared=(
            "R9's not-after ends with the hold, so nobody installs what is told later; and rounds "
            "are forgotten before another owner can serve"
        ),
    ),
    Mutant(
        "blocking-not-resent",
        "R8 b",
        "a record that is sent does not say how long its resource stays blocked",
        records,
        "r8b_blocked_in",
        lambda row, told, slow, drift_ppm: 0,
        mixes.RELEASES,
    ),
    Mutant(
        "retold-after-reboot",
        "R8 b",
        "after a reboot leases are told on without a new seq",
        NexusNode,
        "_redate_all",
        nothing,
        mixes.REBOOTS,
    ),
    Mutant(
        "no-base",
        "R8 c",
        "a successor serves without what its predecessors' voters hold",
        records,
        "r8c_union",
        nothing_read,
        mixes.LEASES,
    ),
    Mutant(
        "read-before-accept",
        "R8 c",
        "a voter answers a successor's read before it has accepted its epoch",
        register,
        "r8c_may_answer_read",
        always,
        mixes.PICKY,
        spared=(
            "what a voter may still acknowledge after it was read comes back after the hold "
            "has ended (R3) and does not count (R8 b)"
        ),
    ),
    Mutant(
        "one-voter-read",
        "R8 c",
        "a successor reads one voter",
        configuration,
        "r8c_read",
        anybody,
        mixes.DEAF,
    ),
    Mutant(
        "union-without-order",
        "R8 c",
        "of two versions of a record the one read first is taken",
        records,
        "r8c_union",
        first_read,
        corners.STALE_READS,
    ),
    Mutant(
        "over-is-open",
        "R8 c",
        "a record that a voter knows to be over is taken from another that does not",
        records,
        "r8c_over",
        never,
        corners.STALE_READS,
    ),
    Mutant(
        "base-without-cooling",
        "R8 c",
        "a base leaves out what only blocks its resource",
        records,
        "r8c_carried",
        open_only,
        mixes.RELEASES,
    ),
    Mutant(
        "serves-before-base",
        "R8 c",
        "a successor serves before a majority holds its base",
        configuration,
        "r8c_base_replicated",
        always,
        mixes.DEAF,
        spared=(
            "acknowledgements are cumulative, so whatever is told beyond the hold has its "
            "base replicated below it"
        ),
    ),
    Mutant(
        "dropped-before-base",
        "R8 c",
        "a voter drops older records before a majority holds the base",
        records,
        "r8c_may_drop",
        always,
        mixes.DEAF,
        spared=("a base travels in one message; who has a part of it has all of it"),
    ),
    Mutant(
        "confirmed-from-memory",
        "R8 d",
        "an answer takes a round that was begun before its question",
        holding,
        "r8d_confirmed",
        lambda begun_round, confirmed: frozenset(confirmed),
        mixes.RELEASES,
        spared=(
            "while the hold lasts nobody else can have changed the record, and R9's not-after "
            "ends with the hold"
        ),
    ),
    Mutant(
        "late-release-carried-out",
        "R8 d",
        "a release ends whatever its subscriber has been told since it was asked",
        records,
        "r8d_release_names",
        always,
        corners.LATE_RELEASES,
    ),
    Mutant(
        "over-returns",
        "R17",
        "a record that is over is taken again from a late copy",
        records,
        "r17_over",
        never,
        corners.STALE_READS,
    ),
    Mutant(
        "order-by-seq-alone",
        "R17",
        "of two elements the one with the higher seq is taken, whatever their epochs",
        records,
        "r17_newer",
        lambda epoch, seq, length, than: (seq, length) > (than.seq, than.length),
        mixes.DEAF,
    ),
    Mutant(
        "no-epoch-floor",
        "R18",
        "elements below the epoch floor count on",
        records,
        "r18_below_floor",
        never,
        corners.TWICE_OVER,
        spared=(
            "a voter that had everything up to an element and lacks it says that it is over "
            "(R17), floor or not; the floor bounds what is kept"
        ),
        beside=((records, "r17_over", never),),
    ),
)
