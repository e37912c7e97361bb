"""Invariant 2: at most one owner with ``now < hold_until`` per shard; epochs strictly grow.

Looked at whenever a renewal's answer was handled, which is the only time a hold gets longer, and
whenever a voter's part of a register is on its disk (what a full disk refused was never said).
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from nexus.core.entries import VoterWritten
from nexus.core.messages import GrantsRenewed
from nexus.ownership.shard import DRAINING, SERVING, OwnerShard
from nexus.ownership.values import Ballot
from simulator.checkers.base import Checker

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

Key = tuple[int, int]


class OneOwner(Checker):
    """Two holders at once, or an epoch that went back."""

    name = "one_owner"
    invariant = 2
    hears = (GrantsRenewed,)
    keeps = (VoterWritten,)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.holders: dict[Key, tuple[str, Ballot]] = {}
        self.moves = 0
        self._epochs: dict[tuple[str, int, Key], Ballot] = {}

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        assert machine.process is not None
        node = machine.process.node
        fast = node.ctx.clocks.fast
        for key, shard in node.owning.owned.items():
            owner = shard.owner
            if owner is None or owner.hold_until <= fast or owner.state not in (SERVING, DRAINING):
                continue
            known = self.holders.get(key)
            if known is None or known != (machine.name, owner.grant.epoch):
                self._changed(machine, key, owner, known)

    def _changed(
        self, machine: Machine, key: Key, owner: OwnerShard, known: tuple[str, Ballot] | None
    ) -> None:
        epoch = owner.grant.epoch
        if known is not None:
            holder, before = known
            if holder != machine.name and holds(self.world.machines[holder], key, before):
                self.violate(
                    f"shard {key} is held by {holder} (epoch {before.counter}) and by "
                    f"{machine.name} (epoch {epoch.counter})"
                )
            if epoch < before:
                self.violate(f"shard {key}: epoch {epoch.counter} serves after {before.counter}")
            self.moves += holder != machine.name
        self.holders[key] = (machine.name, epoch)
        self.world.note("hold", f"{key[0]}/{key[1]}", node=machine.name, epoch=epoch.counter)

    def durable(self, machine: Machine, entry: Any) -> None:
        if entry.grant is None:
            return
        key = (entry.pool_no, entry.shard)
        place = (machine.name, machine.wipes, key)
        before = self._epochs.get(place)
        epoch = entry.grant.epoch
        if before is not None and epoch < before:
            self.violate(
                f"voter {machine.name} went back from epoch {before} to {epoch} of shard {key}"
            )
        self._epochs[place] = epoch


def holds(machine: Machine, key: Key, epoch: Ballot) -> bool:
    """The member would act on the shard if it ran this instant, by its own clocks."""
    process = machine.process
    shard = process.node.book.shard(key) if process is not None else None
    if process is None or shard is None or shard.owner is None or shard.owner.grant.epoch != epoch:
        return False
    clocks = copy(process.node.ctx.clocks)
    clocks.advance(machine.clock.peek())
    return shard.owner.state in (SERVING, DRAINING) and clocks.fast < shard.owner.hold_until
