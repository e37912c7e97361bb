"""Checkers by name.  A new one is a file beside these, a line here, and a canary that trips it."""

from __future__ import annotations

from simulator.checkers.base import Checker
from simulator.checkers.convergence import Convergence
from simulator.checkers.durable import Durable
from simulator.checkers.history import History
from simulator.checkers.legal import Legal
from simulator.checkers.liveness import Liveness
from simulator.checkers.merge_laws import MergeLaws
from simulator.checkers.movement import Movement
from simulator.checkers.one_owner import OneOwner
from simulator.checkers.overlap import Overlap
from simulator.checkers.sticky import Sticky
from simulator.checkers.sums import Sums
from simulator.checkers.told import ToldEnds

__all__ = ["CHECKERS", "Checker"]

CHECKERS: dict[str, type[Checker]] = {
    each.name: each
    for each in (
        Overlap,
        OneOwner,
        History,
        ToldEnds,
        Legal,
        Sums,
        MergeLaws,
        Convergence,
        Durable,
        Sticky,
        Movement,
        Liveness,
    )
}
"""Invariants 1 to 11; the twelfth (same seed, same digest) needs two runs, see `simulator.api`."""
