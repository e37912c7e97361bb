"""Histories of grant registers against a sequential model (R2, R3), one shard at a time.

The model: a register holds one grant at a time; a grant is made when a majority of voters has
accepted it, its epoch is above every earlier one's, and one epoch has one owner for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    hears = (AcceptShards,)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._accepted: dict[tuple[Key, Ballot], dict[str, None]] = {}
        self._grants: dict[tuple[Key, Ballot], Grant] = {}
        self._made: dict[Key, Grant] = {}
        self.grants_count = 0

    def heard(self, machine: Machine, sender: str, message: Any) -> None:
        assert machine.process is not None
        node = machine.process.node
        for key, _ in message.grants:
            shard = node.book.shard(key)
            grant = shard.voter.grant if shard is not None else None
            if grant is None:
                continue
            place = (key, grant.epoch)
            known = self._grants.setdefault(place, grant)
            if known != grant:
                self.violate(f"shard {key}: epoch {grant.epoch} is {known} and {grant}")
            voters = self._accepted.setdefault(place, {})
            if machine.name in voters:
                continue
            voters[machine.name] = None
            if majority(node.ctx.configuration, voters):
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
