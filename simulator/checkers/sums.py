"""Invariant 5: free + held + cooling + locked + reserved = size; and the node's own checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.node import InvariantError
from nexus.core.shaping import usage_view
from simulator.checkers.base import Checker

if TYPE_CHECKING:
    from simulator.machine import Machine


class Sums(Checker):
    """A unit is counted twice or not at all."""

    name = "sums"
    invariant = 5

    def full(self, machine: Machine) -> None:
        if machine.process is None:
            return
        node = machine.process.node
        try:
            node.check_invariants()
        except InvariantError as broken:
            self.violate(f"{machine.name}: {broken}")
            return
        for pool in node.book.by_id.values():
            use = usage_view(node.ctx, pool)
            total = use.free + use.held + use.cooling + use.locked + use.reserved
            if total != use.size or min(use.free, use.held, use.cooling, use.locked) < 0:
                self.violate(f"{machine.name}: pool {pool.spec.id} counts {total} units: {use}")
