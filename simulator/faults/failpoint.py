"""A process dies with one message handled and nothing of it said: kills at named points."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.faults.base import Aim, Fault
from simulator.topology import Layout

if TYPE_CHECKING:
    from simulator.world import World

POINTS = (
    "PrepareShards",
    "ShardsPromised",
    "AcceptShards",
    "ShardsAccepted",
    "ReadShards",
    "ShardsRead",
    "RenewGrants",
    "GrantsRenewed",
    "PushRecords",
    "RecordsHeld",
    "ReleaseShards",
    "ShardsReleased",
    "DecidePrepare",
    "DecideAccept",
    "DecideAccepted",
)


class Failpoint(Fault, kw_only=True):
    """The n-th message of one type is a member's last."""

    kind: str = "failpoint"
    lasts_s: ClassVar[tuple[float, float]] = (5, 40)

    def aim(self, layout: Layout, rng: Random) -> Aim:
        return {
            "node": rng.choice(self.victims(layout)),
            "point": rng.choice(POINTS),
            "left": rng.randrange(3),
        }

    def begin(self, world: World, aim: Aim) -> Any:
        world.failpoints[aim["node"], aim["point"]] = aim["left"]

    def end(self, world: World, aim: Aim, state: Any) -> None:
        world.failpoints.pop((aim["node"], aim["point"]), None)
        world.machines[aim["node"]].start()
