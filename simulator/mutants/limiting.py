"""R9, R10 and R11 taken away: limits that end by themselves, reuse, and time over restarts."""

from __future__ import annotations

from collections.abc import Callable

from nexus.core import shaping
from nexus.core.generations import Generations
from nexus.model.time import Instant
from nexus.ownership import clocks, holding, records, register
from nexus.ownership.clocks import ClockMark
from nexus.ownership.shard import Row
from simulator.mutants import corners, mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always, no_not_after

LONG_NS = 100_000_000_000_000


def no_end(wall_us: int, told: int, row: Row) -> int:
    del told, row
    return wall_us + LONG_NS // 1_000


def reuse_at(row: Row, slow: int, drift_ppm: int, ack_limit_ns: int, cooldown_ns: int) -> int:
    del drift_ppm
    return max(row.blocked, slow) + ack_limit_ns + cooldown_ns


def reuse_without_ack_limit(
    row: Row, slow: int, drift_ppm: int, ack_limit_ns: int, cooldown_ns: int
) -> int:
    del ack_limit_ns
    return INTACT_REUSE_AT(row, slow, drift_ppm, 0, cooldown_ns)


def reuse_without_cooldown(
    row: Row, slow: int, drift_ppm: int, ack_limit_ns: int, cooldown_ns: int
) -> int:
    del cooldown_ns
    return INTACT_REUSE_AT(row, slow, drift_ppm, ack_limit_ns, 0)


def wall_trusted(
    mark: ClockMark, boot_id: str, now: Instant, clock_error_bound_ns: int | None
) -> int:
    del clock_error_bound_ns
    return INTACT_ELAPSED(mark, boot_id, now, 0)


INTACT_REUSE_AT: Callable[[Row, int, int, int, int], int] = records.r10_reuse_at
INTACT_ELAPSED: Callable[[ClockMark, str, Instant, int | None], int] = clocks.r11_slow_elapsed

MUTANTS = (
    Mutant(
        "leases-do-not-end",
        "R9",
        "a told lease has no end of its own that matters",
        shaping,
        "ends_us",
        no_end,
        mixes.CUTS,
    ),
    Mutant(
        "orders-without-limit",
        "R9",
        "answers have no not-after",
        holding,
        "r9_not_after",
        no_not_after,
        mixes.LATE_ORDERS,
    ),
    Mutant(
        "no-recheck-after-fsync",
        "R9",
        "the hold is not asked again after the fsync",
        holding,
        "r9_still_holds",
        always,
        mixes.SLOW_DISKS,
        spared=(
            "a hold that ran out leaves a negative rest, for which R8 d asks for a round that "
            "R8 b does not count, and not-after (R9) is past"
        ),
    ),
    Mutant(
        "no-reuse-guard",
        "R10",
        "reuse does not wait for the drift between two clocks",
        records,
        "r10_reuse_at",
        reuse_at,
        mixes.DRIFT,
    ),
    Mutant(
        "reuse-without-ack-limit",
        "R10",
        "reuse does not wait for answers on their way",
        records,
        "r10_reuse_at",
        reuse_without_ack_limit,
        mixes.LEASES,
        spared=(
            "a told end is an instant: an answer that comes late is shorter, not later; after "
            "a release the cooldown, which is not below `ack_limit`, covers it"
        ),
    ),
    Mutant(
        "reuse-without-cooldown",
        "R10",
        "an expired lease's address does not cool",
        records,
        "r10_reuse_at",
        reuse_without_cooldown,
        mixes.COOLING,
    ),
    Mutant(
        "release-without-cooldown",
        "R10",
        "a released address does not cool",
        records,
        "r10_reuse_after_release",
        lambda row, slow, cooldown_ns: slow,
        mixes.RELEASES,
    ),
    Mutant(
        "blocking-shrinks",
        "R10",
        "a shorter renewal takes back what was told before",
        records,
        "r10_blocked_until",
        lambda blocked, anew: anew,
        mixes.SHRINKING,
    ),
    Mutant(
        "reuse-before-release-replicated",
        "R10",
        "a release frees the address before a majority holds it",
        records,
        "r10_release_frees",
        always,
        mixes.UNSEEN,
    ),
    Mutant(
        "pool-forgets",
        "R10",
        "a new pool over a deleted one's range does not inherit what blocks",
        Generations,
        "_blocks",
        lambda self, old, row, pool: iter(()),
        mixes.REMADE,
    ),
    Mutant(
        "generations-overlap",
        "R10",
        "shards of a new pool are granted while grants of the deleted one are held",
        register,
        "r10_generation_over",
        always,
        mixes.REMADE,
    ),
    Mutant(
        "hold-begins-anew",
        "R11",
        "a node that trusts its RTC goes on with all that was left when it lost power",
        holding,
        "r5_hold_left",
        lambda left_ns, elapsed_ns: left_ns,
        corners.TRUSTED_RTCS,
    ),
    Mutant(
        "wall-clock-trusted",
        "R11",
        "after a reboot the wall clock counts without a bound of its error",
        clocks,
        "r11_slow_elapsed",
        wall_trusted,
        mixes.POWER,
    ),
)
