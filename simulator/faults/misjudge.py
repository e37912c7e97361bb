"""Nodes are told wrong things about each other: the failure detector is never trusted (R13)."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from nexus.core.events import MemberJudged
from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World


class Misjudge(Fault, kw_only=True):
    """One node takes another for dead, or a dead one for alive."""

    kind: str = "misjudge"

    def aim(self, layout: Layout, rng: Random) -> Aim:
        names = layout.names()
        return {
            "node": rng.choice(self.victims(layout)),
            "about": rng.choice(names),
            "verdict": rng.choice(("offline", "suspect", "online")),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        world.machines[aim["node"]].request(MemberJudged(aim["about"], aim["verdict"]))

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.machines[aim["node"]].request(MemberJudged(aim["about"], "online"))
        detector = world.detectors.get(world.machines[aim["node"]])
        if detector is not None:
            detector.contradicted(aim["about"])  # the lie ends: what it sees itself counts again
