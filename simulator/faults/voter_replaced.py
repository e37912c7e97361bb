"""A voter's disk is gone and the operator lets another core vote in its place (R21)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from nexus.core.operations.voters import ChangeVoters
from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

VOTERS = (5, 3)
"""Sizes of a set that can lose one: a smaller set, or a spare core, takes its place."""
AGAIN_NS = 5_000_000_000


class VoterReplaced(Fault, kw_only=True):
    """The lost one comes back empty, as a core without a vote, once the others vote without it."""

    kind: str = "voter_replaced"
    lasts_s: ClassVar[tuple[float, float]] = (10, 120)

    def plan(
        self, layout: Layout, phase_ns: tuple[int, int], rng: Random
    ) -> list[tuple[int, int, Aim]]:
        # Three cores are three voters: there is nobody to vote instead.
        return super().plan(layout, phase_ns, rng) if len(layout.names("core")) > VOTERS[-1] else []

    def aim(self, layout: Layout, rng: Random) -> Aim:
        cores = layout.names("core")
        return {"node": rng.choice([name for name in self.victims(layout) if name in cores])}

    def begin(self, world: World, aim: Aim) -> Any:
        lost = aim["node"]
        voters = _voters(world)
        if lost not in voters or not world.may_lose(lost):
            return False
        if any(world.machines[name].damaged is not None for name in voters):
            return False  # one after the other, as an operator would
        wanted = _without(world, voters, lost)
        if wanted is None:
            return False
        world.machines[lost].lose("disk lost, to be replaced")
        self._ask(world, lost, wanted)
        return True

    def _ask(self, world: World, lost: str, wanted: tuple[str, ...]) -> None:
        """An operator asks a voter that is there, again until the change is through."""
        if lost not in _voters(world) or world.machines[lost].process is not None:
            return
        by = next((name for name in wanted if world.machines[name].process is not None), None)
        if by is not None:
            world.call(by, ChangeVoters(wanted), lambda answer: None)
        world.env.call_later(AGAIN_NS, lambda _: self._ask(world, lost, wanted), None)

    def end(self, world: World, aim: Aim, state: Any) -> None:
        machine = world.machines[aim["node"]]
        if state and machine.process is None and aim["node"] not in _voters(world):
            machine.wipe()
            machine.start()


def _voters(world: World) -> tuple[str, ...]:
    """Who votes, or may have to be asked, by the newest configuration that any process is in."""
    newest = None
    for machine in world.machines.values():
        if machine.process is not None:
            known = machine.process.node.ctx.configuration
            if newest is None or known.number > newest.number:
                newest = known
    return () if newest is None else tuple(dict.fromkeys((*newest.old, *newest.new)))


def _without(world: World, voters: tuple[str, ...], lost: str) -> tuple[str, ...] | None:
    """Voters without the lost one: with a spare core in its place, or two fewer of five.

    A core that has lost its disk votes under its old id never again (R21 d): it is no spare.
    """
    rest = [
        name
        for name in voters
        if name != lost and world.machines[name].damaged is None and not world.machines[name].wipes
    ]
    spare = [
        name
        for name in world.layout.names("core")
        if name not in voters
        and world.machines[name].process is not None
        and not world.machines[name].wipes
    ]
    if spare and len(rest) == len(voters) - 1:
        return tuple(sorted([*rest, spare[0]]))
    if len(voters) == VOTERS[0] and len(rest) >= VOTERS[1]:
        return tuple(sorted(rest)[: VOTERS[1]])
    return None
