"""Invariant 10: no live session moves in a rebalance; removing a member moves its shards only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.core.messages import ReleaseShards
from nexus.ownership.shard import HELD
from nexus.resources import geometry
from nexus.ring.assignment import Assignment
from nexus.ring.hash_ring import RingMember, pool_key
from simulator.checkers.base import Checker

if TYPE_CHECKING:
    from simulator.machine import Machine

UNBOUNDED = 1e9
"""A load bound that binds nobody: what it moves is counted apart."""


class Movement(Checker):
    """A rebalance that costs sessions or more shards than it must."""

    name = "movement"
    invariant = 10
    hears = (ReleaseShards,)

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        source = self.world.machines[sender].process
        if source is None:
            return
        member = source.node.members.get(sender)
        if member is None or member.draining:
            return
        for key, seal in message.seals:
            shard = source.node.book.shard(key)
            owner = shard.owner if shard is not None else None
            if shard is None or owner is None or owner.grant.epoch != seal.epoch:
                continue
            if source.node.book.by_no[key[0]].retired_us is not None:
                continue  # a pool deleted by force ends its sessions; nobody's moves
            # A late copy finds rows of the next owner here as well, under a higher epoch.
            last = seal.epoch.counter
            live = sum(row.length == HELD and row.epoch <= last for row in shard.rows)
            if live:
                self.violate(
                    f"{sender} gives shard {key} away with {live} live sessions, "
                    "and nobody drains it"
                )

    def finish(self) -> None:
        members = [
            RingMember(plan.name, plan.weight)
            for plan in self.world.layout.members
            if plan.role != "read"
        ]
        for spec in self.world.scenario.pools:
            shards = geometry(spec).shard_count
            for gone in members if len(members) > 2 else ():
                stray = moved(pool_key(spec.id, 1), shards, members, gone)
                if stray:
                    self.violate(f"pool {spec.id}: without {gone.id} shards {stray} move as well")


def moved(key: int, shards: int, members: list[RingMember], gone: RingMember) -> list[int]:
    """Shards of others that move when one member goes, with the bound's excess left out."""
    before = Assignment(key, shards, UNBOUNDED)
    before.update(members)
    after = Assignment(key, shards, UNBOUNDED)
    after.update([member for member in members if member is not gone])
    return [
        shard for shard in range(shards) if before.owner(shard) not in (gone.id, after.owner(shard))
    ]
