"""An owner's side of its grants: rules R4, R5 (hold), R7, R8 b, R8 d, R9, R12, R14, R15, R22.

Pure questions about one `OwnerShard`; the machinery around them is `nexus.core.owning`.  ``fast``
and ``slow`` are the owner's own timelines (`nexus.ownership.clocks`).
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.ownership import clocks
from nexus.ownership.shard import (
    DRAINING,
    FLAG_DOUBTFUL,
    PERMANENT,
    SERVING,
    OwnerShard,
    Row,
)
from nexus.ownership.values import Ballot

FOREVER = 1 << 61
"""A hold without end (pinned pools), about 73 years on any timeline."""
_CHANGING = (SERVING, DRAINING)
WARN_FRACTION = 10
"""Within the last 1/10 of H nothing new is allocated: what could be promised is too short."""


def r4_first_hold(fast: int, horizon_ns: int | None) -> int:
    """A grant that was just won holds nothing: no renewal naming its epoch is acknowledged yet."""
    del fast, horizon_ns
    return 0


def r4_may_serve(owner: OwnerShard) -> bool:
    """A shard is served only after a majority acknowledged a renewal naming this epoch."""
    return owner.hold_until > 0


def r5_hold_until(sent: int, received: int, horizon_ns: int | None) -> int:
    """The hold counts from *before sending*: the answer's way back is not ours."""
    del received
    return FOREVER if horizon_ns is None else sent + horizon_ns


def r5_witnessed_until(sent: int, hold_until: int, witness_age_ns: int | None) -> int:
    """Without a clock that surely runs on: only as long as a voter's answer is young."""
    return hold_until if witness_age_ns is None else min(hold_until, sent + witness_age_ns)


def r5_offline_horizon(
    horizon_ns: int | None, core_horizon_ns: int, *, running_clock: bool
) -> int | None:
    """A node without such a clock gets no offline horizon, and is never pinned."""
    if running_clock:
        return horizon_ns
    return core_horizon_ns if horizon_ns is None else min(horizon_ns, core_horizon_ns)


def r5_hold_left(left_ns: int, elapsed_ns: int | None) -> int:
    """What is left of a hold that a process before this one had (`cold_start_offline`)."""
    return 0 if elapsed_ns is None else max(0, left_ns - elapsed_ns)


def r5_holds(owner: OwnerShard, fast: int) -> bool:
    """The owner may act on the shard now."""
    return fast < owner.hold_until


def r5_gives_up(owner: OwnerShard, fast: int, renew_interval_ns: int) -> bool:
    """Two renewal intervals past its hold, refused for a higher ballot: the grant is given up."""
    return owner.refused_at is not None and fast >= owner.hold_until + 2 * renew_interval_ns


def r7_may_allocate(owner: OwnerShard, fast: int, slow: int) -> bool:
    """New allocations: shard held, not draining, not quarantined, not in the last tenth of H."""
    if owner.state != SERVING or r15_quarantined(owner, slow):
        return False
    return fast + owner.window_ns // WARN_FRACTION < owner.hold_until


def r7_may_change(owner: OwnerShard, fast: int) -> bool:
    """Renew, release, expire: the shard is held and served, draining included."""
    return owner.state in _CHANGING and fast < owner.hold_until


def r8_tell_limit(fast: int, mclt_ns: int, hold_until: int) -> int:
    """Latest end, on the fast timeline, that may be told of a record no majority has yet."""
    return min(fast + mclt_ns, hold_until)


def r8b_counts(sent: int, fast: int, ack_limit_ns: int, hold_until: int) -> bool:
    """An acknowledgement counts only while the shard is held and soon after its sending."""
    return fast < hold_until and fast <= sent + ack_limit_ns


def r8d_needs_round(ends: int, told: int, mclt_ns: int, hold_left_ns: int) -> bool:
    """A telling reply above ``min(now + MCLT, hold_until)`` waits for a quorum round."""
    return ends == 0 or ends - told > min(mclt_ns, hold_left_ns)


def r8d_confirmed(begun_round: int, confirmed: Mapping[str, int]) -> frozenset[str]:
    """Voters that answered a round begun after the question was asked."""
    return frozenset(voter for voter, number in confirmed.items() if number >= begun_round)


def r8d_holding(seq: int, acked: Mapping[str, int]) -> frozenset[str]:
    """Voters that hold every record up to ``seq``."""
    return frozenset(voter for voter, held_seq in acked.items() if held_seq >= seq)


def r9_not_after(hold_until: int, acknowledged: int, ack_limit_ns: int) -> int:
    """Latest fast instant at which a reply or install order may still be carried out."""
    return min(hold_until, acknowledged + ack_limit_ns)


def r9_still_holds(owner: OwnerShard, fast: int) -> bool:
    """The hold, asked again after the fsync and before the reply."""
    return fast < owner.hold_until


def r12_may_release(owner: OwnerShard) -> bool:
    """Everything up to the last seq is replicated; what cannot be is not released."""
    return owner.commit_seq >= owner.seq


def r15_quarantined(owner: OwnerShard, slow: int) -> bool:
    """The shard of a lost disk: its addresses may be in use without a record."""
    return owner.quarantine_until is not None and slow < owner.quarantine_until


def r15_quarantine_until(slow: int, mclt_ns: int, drift_ppm: int) -> int:
    """Leases that no voter knows of are at most MCLT long; wait that out by the slow clock."""
    return slow + clocks.stretched_ns(mclt_ns, drift_ppm)


def r15_may_confirm(owner: OwnerShard, row: Row) -> bool:
    """What may be confirmed in a quarantine, to its own holder; asked of a row before its base.

    Only a permanent record at or below the highest commit seq read: anything else may have ended
    and been given away unseen.
    """
    return row.kind == PERMANENT and (row.epoch, row.seq) <= owner.confirm


def r15_doubtful(owner: OwnerShard, row: Row) -> bool:
    """A row may not be confirmed in this quarantine; asked of a row before its base.

    What an earlier quarantine doubted stays in doubt when the duty passes on: its rows were
    written again under an epoch that knew no more of them.
    """
    if not owner.grant.quarantine:
        return False
    return bool(row.flags & FLAG_DOUBTFUL) or not r15_may_confirm(owner, row)


def r12_never_won(proposed: Ballot, known: Ballot, won: bool) -> bool:
    """A grant that was proposed before a restart was not won, by a log that is written first.

    So nothing was told under it, and it may be given back without a record (an empty seal).
    """
    return known < proposed or (known == proposed and not won)


def r12_may_drain(owner: OwnerShard, slow: int) -> bool:
    """A quarantined shard does not drain: the next owner would not know why it waits."""
    return not r15_quarantined(owner, slow)
