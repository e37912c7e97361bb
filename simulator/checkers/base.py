"""What a checker is: it hears what happens, and says so when an invariant is broken."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from nexus.errors import NexusError
from nexus.model.time import Instant
from nexus.model.views import AllocationView
from nexus.ownership.configuration import Configuration
from nexus.ownership.pool_state import PoolState
from nexus.ownership.shard import Row, Shard

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World


class Checker:
    """Base of all; a kind overrides what it wants to hear of."""

    name: ClassVar[str]
    invariant: ClassVar[int]
    """Number in protocol section 6; 0: none of them."""
    hears: ClassVar[tuple[type, ...]] = ()
    """Messages whose arrival (after it was handled) it wants to hear of."""

    keeps: ClassVar[tuple[type, ...]] = ()
    """Log entries it wants to hear of when they are on disk."""

    def __init__(self, world: World) -> None:
        self.world = world

    def violate(self, story: str) -> None:
        """An invariant is broken."""
        self.world.violate(self.name, self.invariant, story)

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        """A node has handled a message of a type in ``hears``."""

    def started(self, machine: Machine) -> None:
        """A process has started on what its disk holds."""

    def durable(self, machine: Machine, entry: Any) -> None:
        """A log entry of a type in ``keeps`` is on the member's disk, and the member knows it."""

    def asked(self, name: str, request: Any) -> None:
        """A caller asks a member something."""

    def told(
        self, machine: Machine, request: Any, view: AllocationView, reading: Instant, asked_ns: int
    ) -> None:
        """A node has told somebody an allocation."""

    def owner_of(self, view: AllocationView) -> tuple[Machine, Shard, Row] | None:
        """The member whose table the answer came from, with the row; None if it lost it since."""
        for machine in self.world.machines.values():
            node = machine.process.node if machine.process is not None else None
            pool = node.book.by_id.get(view.pool_id) if node is not None else None
            if pool is None:
                continue
            index = unit_of(pool, view.resource)
            if index is None:
                continue
            shard = pool.shard_at(index)
            if shard.owner is None or shard.owner.grant.epoch.counter != view.epoch:
                continue
            row = pool.subs.get(view.subscriber_id)
            if row is not None and pool.geometry.format(row.index) == view.resource:
                return machine, shard, row
        return None

    def full(self, machine: Machine) -> None:
        """Time for a thorough look at one node."""

    def calm(self) -> None:
        """The faults are over and everything is healed."""

    def finish(self) -> None:
        """The run is over."""


def unit_of(pool: PoolState, resource: str) -> int | None:
    """Number of a unit that was told; None if the pool was made again without it."""
    try:
        return pool.geometry.parse(resource)
    except NexusError:
        return None


def majority(configuration: Configuration, members: Collection[str]) -> bool:
    """A majority of each set of voters; counted here, because the core's own may be a mutant."""
    return all(
        2 * len(set(voters) & set(members)) > len(voters)
        for voters in (configuration.old, configuration.new)
    )
