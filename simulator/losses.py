"""Which members a world may lose for good: a cluster outlives the loss of a minority of voters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.ownership.configuration import Configuration

if TYPE_CHECKING:
    from simulator.world import World


def may_lose(world: World, name: str) -> bool:
    """The loss of this member leaves a majority of those who vote now (R21)."""
    newest = newest_configuration(world)
    if newest is None:
        return name not in world.layout.names("core")
    for voters in (newest.old, newest.new):
        gone = sum(votes_no_more(world, voter, newest) for voter in voters if voter != name)
        if name in voters and gone + 1 > (len(voters) - 1) // 2:
            return False
    return True


def newest_configuration(world: World) -> Configuration | None:
    """The newest that a running member is in; None if none runs."""
    running = [each.process for each in world.machines.values() if each.process is not None]
    known = [process.node.ctx.configuration for process in running]
    return max(known, key=lambda each: each.number, default=None)


def votes_no_more(world: World, voter: str, newest: Configuration) -> bool:
    """Lost, back with an empty disk, or not (known to be) complete in a later configuration.

    A voter that was off while the others changed has nothing of what they decided, so the state of
    those who have it is all there is (R21 c).
    """
    found = world.machines.get(voter)
    if found is None or found.damaged is not None or bool(found.wipes):
        return True
    if newest.number == 1:
        return False
    return found.process is None or not found.process.node.ctx.complete
