"""Invariant 3: every told end is within the hold, or a majority has acknowledged the record.

Who acknowledged what is counted from the voters' own messages, not from the owner's books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.core.messages import RecordsHeld
from nexus.model.time import NS_PER_MS, NS_PER_S, NS_PER_US, Instant
from nexus.model.views import AllocationView
from nexus.ownership.shard import OwnerShard, Shard
from nexus.ownership.values import Ballot
from simulator.checkers.base import Checker, majority

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

SLACK_NS = 200 * NS_PER_MS
"""Stamps of ends are rounded to what was said before where they differ by less than half of it."""


class ToldEnds(Checker):
    """A client was told an end that nobody but the owner knows of."""

    name = "told_ends"
    invariant = 3
    hears = (RecordsHeld,)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._held: dict[tuple[tuple[int, int], Ballot], dict[str, int]] = {}

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        for key, epoch, seq in message.held:
            if seq >= 0:
                voters = self._held.setdefault((key, epoch), {})
                voters[sender] = max(voters.get(sender, 0), seq)

    def told(
        self, machine: Machine, request: Any, view: AllocationView, reading: Instant, asked_ns: int
    ) -> None:
        found = self.owner_of(view)
        if found is None:
            return
        owning, shard, row = found
        assert owning.process is not None
        owner = shard.owner
        assert owner is not None
        node = owning.process.node
        if node.ctx.lone or self.replicated(owning, shard, owner, row.seq):
            return
        pool = node.book.by_id[view.pool_id]
        left = min(owner.hold_until - node.ctx.clocks.fast, pool.spec.mclt * NS_PER_S)
        if view.ends_us is None:
            self.violate(
                f"{view.subscriber_id} was told a permanent {view.resource} that no "
                f"majority knows of"
            )
        elif owning is machine:
            end_in = view.ends_us * NS_PER_US - reading.wall_ns
            if end_in > left + SLACK_NS:
                self.violate(
                    f"{view.subscriber_id} was told {view.resource} for {end_in / 1e9:.3f} s by "
                    f"{owning.name}, no majority knows of it and {left / 1e9:.3f} s are left"
                )

    def known(self, key: tuple[int, int], epoch: Ballot, seq: int, owner: str) -> bool:
        """A majority was heard to hold a record of an epoch, its owner's own disk among them."""
        voters = [v for v, held in self._held.get((key, epoch), {}).items() if held >= seq]
        nodes = [m.process.node for m in self.world.machines.values() if m.process is not None]
        return any(majority(node.ctx.configuration, [*voters, owner]) for node in nodes)

    def replicated(self, owning: Machine, shard: Shard, owner: OwnerShard, seq: int) -> bool:
        """A majority of voters, the owner's own disk among them, holds the record."""
        assert owning.process is not None
        epoch = owner.grant.epoch
        voters = [v for v, held in self._held.get((shard.key, epoch), {}).items() if held >= seq]
        if owner.durable_seq >= seq and shard.voter.epoch == epoch:
            voters.append(owning.name)
        return majority(owning.process.node.ctx.configuration, voters)
