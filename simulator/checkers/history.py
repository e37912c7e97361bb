"""Histories of grant registers against a sequential model (R2, R3), one shard at a time.

The model: a register holds one grant at a time; a grant is made when a majority of voters has it
on disk at one instant, its epoch is above every earlier one, and one epoch has one owner for ever.
(A voter that was away may accept a grant whose other votes went on to a higher one; nobody can hold
it, since a majority has to renew it.)
A voter that knows of a fence has no unmarked grant of the registrations that it names (R15 ii).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.core.entries import VoterWritten
from nexus.core.messages import AcceptShards
from nexus.ownership.values import Ballot, Grant
from simulator.checkers.base import Checker, majority

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

Key = tuple[int, int]


class History(Checker):
    """A register that no sequential one could have been."""

    name = "history"
    invariant = 2
    keeps = (VoterWritten,)
    hears = (AcceptShards,)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._accepted: dict[tuple[Key, Ballot], dict[str, None]] = {}
        self._latest: dict[tuple[Key, str], Ballot] = {}
        """Epoch of the grant that a voter has, by (shard, voter)."""
        self._grants: dict[tuple[Key, Ballot], Grant] = {}
        self._made: dict[Key, Grant] = {}
        self.grants_count = 0

    def started(self, machine: Machine) -> None:
        # What reached the disk before its writer could hear of it counts as well.
        assert machine.process is not None
        for pool in machine.process.node.book.by_no.values():
            for shard in pool.shards:
                if shard.voter.grant is not None:
                    self._accept(machine, shard.key, shard.voter.grant)

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        assert machine.process is not None
        node = machine.process.node
        for key, grant in message.grants:
            shard = node.book.shard(key)
            if shard is None or shard.voter.grant != grant or shard.voter.mark is not None:
                continue
            if node.members.fenced_upto(grant.owner) >= grant.registration:
                self.violate(f"shard {key}: {machine.name} granted it to a fenced {grant}")

    def durable(self, machine: Machine, entry: Any) -> None:
        if entry.grant is not None and machine.process is not None:
            self._accept(machine, (entry.pool_no, entry.shard), entry.grant)

    def _accept(self, machine: Machine, key: Key, grant: Grant) -> None:
        assert machine.process is not None
        place = (key, grant.epoch)
        known = self._grants.setdefault(place, grant)
        if known != grant:
            self.violate(f"shard {key}: epoch {grant.epoch} is {known} and {grant}")
        voters = self._accepted.setdefault(place, {})
        configuration = machine.process.node.ctx.configuration
        before = majority(configuration, voters)
        latest = self._latest.get((key, machine.name))
        if latest is not None and latest != grant.epoch:
            self._accepted[key, latest].pop(machine.name, None)
        self._latest[key, machine.name] = grant.epoch
        voters[machine.name] = None
        if not before and majority(configuration, voters):
            self._make(key, grant)

    def _make(self, key: Key, grant: Grant) -> None:
        before = self._made.get(key)
        if before is not None and (
            grant.epoch != before.epoch and grant.epoch.counter <= before.epoch.counter
        ):
            self.violate(f"shard {key}: {grant.epoch} was made after {before.epoch} was")
        if before is None or grant.epoch > before.epoch:
            self._made[key] = grant
            self.grants_count += 1
