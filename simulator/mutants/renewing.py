"""R5, R6 and R22 taken away: how long a hold lasts, and which process it is of."""

from __future__ import annotations

from collections.abc import Callable

from nexus.core.renewing import Renewing
from nexus.model.time import Instant
from nexus.ownership import clocks, configuration, holding, register
from nexus.ownership.clocks import NodeClocks
from simulator.mutants import corners, mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always, anybody, never, nothing


def from_receipt(sent: int, received: int, horizon_ns: int | None) -> int:
    del sent
    return holding.FOREVER if horizon_ns is None else received + horizon_ns


def unstretched(slow: int, horizon_ns: int | None, drift_ppm: int) -> int | None:
    del drift_ppm
    return None if horizon_ns is None else slow + horizon_ns


def by_the_fast_clock(self: NodeClocks, now: Instant) -> None:
    ADVANCE(self, now)
    self.slow = self.fast


ADVANCE: Callable[[NodeClocks, Instant], None] = NodeClocks.advance

MUTANTS = (
    Mutant(
        "hold-from-receipt",
        "R5",
        "the hold counts from the answer's receipt, not from before sending",
        holding,
        "r5_hold_until",
        from_receipt,
        mixes.DELAYS,
    ),
    Mutant(
        "one-voter-renews",
        "R5",
        "one voter's acknowledgement renews",
        configuration,
        "r5_renewed",
        anybody,
        mixes.CUTS,
    ),
    Mutant(
        "no-drift-factor",
        "R5",
        "a voter's timer is H, not H (1+r)/(1-r)",
        register,
        "r5_timer",
        unstretched,
        mixes.DRIFT,
    ),
    Mutant(
        "holder-by-monotonic-clock",
        "R5",
        "the holder counts on the monotonic clock alone",
        clocks,
        "r5_fast_step",
        lambda mono_ns, boot_ns, wall_ns: mono_ns,
        mixes.SLEEP,
    ),
    Mutant(
        "waiter-by-fast-clock",
        "R5",
        "the waiter counts on the fastest clock, the wall clock included",
        NodeClocks,
        "advance",
        by_the_fast_clock,
        mixes.SLEEP,
    ),
    Mutant(
        "unwitnessed",
        "R5",
        "a node without a running clock holds on without a voter's young answer",
        holding,
        "r5_witnessed_until",
        lambda sent, hold_until, witness_age_ns: hold_until,
        corners.STOPPED,
    ),
    Mutant(
        "never-gives-up",
        "R5",
        "an owner past its hold and refused for a higher ballot keeps its grant",
        holding,
        "r5_gives_up",
        never,
        mixes.RIVALS,
    ),
    Mutant(
        "restart-without-timer",
        "R6",
        "a restarted voter has no timer",
        register,
        "r6_restart",
        nothing,
        mixes.RESTARTS,
    ),
    Mutant(
        "old-session-renewed",
        "R22",
        "a voter acknowledges an older session again",
        register,
        "r22_session_ok",
        always,
        mixes.CLONES,
    ),
    Mutant(
        "superseded-goes-on",
        "R22",
        "a process told of a newer session of itself goes on",
        Renewing,
        "stop_all",
        nothing,
        mixes.CLONES_SOON,
    ),
)
