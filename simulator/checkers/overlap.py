"""Invariant 1: no resource with two subscribers whose spans overlap in true time.

The oracle tells the first overlap as it happens; at the end all spans are sorted and swept once
more, which owes nothing to the bookkeeping on the way.
"""

from __future__ import annotations

from simulator.checkers.base import Checker
from simulator.oracle import overlaps


class Overlap(Checker):
    """Two live subscribers, one address."""

    name = "overlap"
    invariant = 1

    def finish(self) -> None:
        for one, other in overlaps(self.world.oracle.spans())[:3]:
            self.violate(
                f"{one.resource}: {one.subscriber} from {one.start_ns} to {one.end_ns}, "
                f"{other.subscriber} from {other.start_ns} to {other.end_ns}"
            )
