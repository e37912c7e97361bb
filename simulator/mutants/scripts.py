"""What mixes do to a world that no scenario says: clones, voter changes, single stories."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from nexus.core.events import DeadlineReached
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.nodes import FenceNode
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError
from nexus.model.time import seconds_to_ns
from nexus.model.views import AllocationView
from simulator.calls import Answer
from simulator.clocks import MachineClock
from simulator.machine import Identity, Machine
from simulator.oracle import resource_of, told_on_machine

if TYPE_CHECKING:
    from simulator.world import World

CLONE_BOOTS = 1_000
"""A copy starts on other hardware: another boot."""
Step = Callable[[], None]


def at(world: World, second: float, step: Step) -> None:
    """Do something at an instant of true time."""
    world.env.call_at(seconds_to_ns(second), lambda _: step(), None)


def times(world: World, rng: Random, count: int, spare_s: float = 60) -> list[float]:
    """Instants spread over the safety phase, with some time after the last."""
    return sorted(rng.uniform(15, world.scenario.duration_s - spare_s) for _ in range(count))


def edges_prove_disks(world: World) -> None:
    """Edges are admitted by the cores that found the cluster, and can prove that they are they.

    An incarnation is known only of a member that was admitted, so only those are ever buried.
    """
    for machine in world.machines.values():
        founders = tuple(each for each in machine.config.members if each.role == "core")
        machine.config = msgspec.structs.replace(machine.config, members=founders, disk_proof=True)


# --- clones --------------------------------------------------------------------------------------


def clones(world: World) -> None:
    """An edge's machine is frozen, a copy of it starts, and later the frozen one goes on."""
    rng = world.rng("script", "clones")
    edges = world.layout.names("edge")
    for second in times(world, rng, 2, spare_s=110):
        name = rng.choice(edges)
        frozen_s = rng.uniform(22, 50)
        back = rng.random() < 0.7
        at(world, second, partial(_clone, world, name, frozen_s, back=back))


def _clone(world: World, name: str, frozen_s: float, *, back: bool) -> None:
    original = world.machines[name]
    if original.process is None or f"{name} frozen" in world.machines:
        return
    original.pause()
    backup = original.backup()
    clock = MachineClock(world.env, rate_ppb=original.clock.rate_ppb, wall_rate_ppb=0)
    config, rng = original.config, world.rng("clone", name)
    copy = Machine(
        world.env, world.network, clock, config, rng, world, world.scenario.cluster.commit_us
    )
    copy.restore(backup)
    copy.identity = Identity(backup.identity.incarnation, backup.identity.session)
    copy.boots = original.boots + CLONE_BOOTS
    world.machines[name] = copy
    world.machines[f"{name} frozen"] = original

    def both(sender: str, message: Any) -> None:
        copy.receive(sender, message)
        original.receive(sender, message)

    world.network.attach(name, both)
    copy.start()
    now_s = world.env.now_ns / 1e9
    at(world, now_s + frozen_s, lambda: _thaw(world, name, copy, original, back=back))


def _thaw(world: World, name: str, copy: Machine, original: Machine, *, back: bool) -> None:
    original.resume()
    if back:
        # Subscribers of the line are behind the first machine again; the copy still runs.
        world.machines[name], world.machines[f"{name} frozen"] = original, copy
    now_s = world.env.now_ns / 1e9
    at(world, min(now_s + 40, world.scenario.duration_s - 1), lambda: _one_left(world, name, copy))


def _one_left(world: World, name: str, copy: Machine) -> None:
    original = world.machines.pop(f"{name} frozen")
    if original is copy:
        original = world.machines[name]
    world.machines[name] = copy
    original.crash(reason="the clone was found")
    world.network.attach(name, copy.receive)
    copy.start()


# --- fences --------------------------------------------------------------------------------------


def fenced_return(world: World) -> None:
    """An edge is switched off and fenced, and comes back while others take its shards."""
    rng = world.rng("script", "fenced")
    edges = world.layout.names("edge")
    for second in times(world, rng, 4):
        name, by = rng.choice(edges), rng.choice(world.layout.names("core"))
        off_s = rng.uniform(0.05, 6)
        at(world, second, partial(_fence, world, name, by, off_s))


def _fence(world: World, name: str, by: str, off_s: float) -> None:
    machine = world.machines[name]
    machine.crash(reason="switched off")
    world.oracle.stop_all(name)
    world.call(by, FenceNode(name, "switched off"), lambda answer: None)
    now_s = world.env.now_ns / 1e9
    at(world, now_s + off_s, machine.revive)


# --- single stories ------------------------------------------------------------------------------


def late_orders(world: World) -> None:
    """An answer leaves its process seconds after it was made; its holder has given up since."""
    rng = world.rng("script", "late orders")
    for number, second in enumerate(times(world, rng, 12, spare_s=20)):
        homes = rng.sample(world.homes("owners"), 2)
        plan = (f"late-{number}", homes, rng.randrange(0, 4), rng.uniform(4, 8))
        at(world, second, partial(_late_order, world, *plan))


def _late_order(
    world: World, name: str, homes: list[str], after_effects: int, paused_s: float
) -> None:
    machine = world.machines[homes[0]]
    now_s = world.env.now_ns / 1e9

    told: list[str] = []

    def answered(answer: Answer) -> None:
        if install(world, answer):
            told.append(resource_of(answer.result))

    def release() -> None:
        for resource in told:
            world.oracle.stop(resource, name)
        world.call(homes[1], Release(name, "p"), lambda answer: None)

    world.call(homes[0], Allocate("p", name), answered)
    at(world, now_s + 0.001, lambda: machine.pause(after_effects=after_effects))
    at(world, now_s + 1.0, release)
    at(world, now_s + paused_s, machine.resume)


def install(world: World, answer: Answer) -> bool:
    """A sink carries out what it was told, if it may."""
    if not isinstance(answer.result, AllocationView):
        return False
    machine = world.machines[answer.machine]
    if machine.boots != answer.boots:
        return False
    return world.oracle.install(told_on_machine(answer.result, machine, answer.reading))


def shrinking(world: World) -> None:
    """A lease is renewed for a few seconds, and its holder never hears of it."""
    rng = world.rng("script", "shrinking")
    for number, second in enumerate(times(world, rng, 8)):
        name, home = f"shrunk-{number}", rng.choice(world.homes("owners"))

        def told(answer: Answer, name: str = name, home: str = home) -> None:
            install(world, answer)
            if isinstance(answer.result, AllocationView):
                world.call(home, Renew(name, "p", ttl_s=2), lambda _: None)

        request = Allocate("p", name, ttl_s=60)
        at(world, second, partial(world.call, home, request, told))


# --- voters --------------------------------------------------------------------------------------


def voters_change(world: World) -> None:
    """Three of five cores vote, and others take their places again and again."""
    cores = world.layout.names("core")
    for machine in world.machines.values():
        machine.config = msgspec.structs.replace(machine.config, voters=tuple(cores[:3]))
    rng = world.rng("script", "voters")
    for second in times(world, rng, 6, spare_s=40):
        size = rng.choice((3, 3, 3, 5, 1))
        chosen, by = tuple(sorted(rng.sample(cores, size))), rng.choice(cores)
        at(world, second, partial(_change, world, by, chosen))


def _change(world: World, by: str, voters: tuple[str, ...]) -> None:
    machine = world.machines[by]
    process = machine.process
    if process is None or not process.gate.open:
        return
    world.note("voters", by, wanted=" ".join(voters))
    try:
        process.node.voters.change(voters)
    except NexusError:
        return
    machine.request(DeadlineReached())


def drifting_apart(world: World) -> None:
    """Edges' clocks are as slow as the bound allows, cores' as fast."""
    bound_ppb = world.scenario.cluster.drift_ppm * 1_000
    for machine in world.machines.values():
        machine.clock.set_rate(-bound_ppb if machine.role == "edge" else bound_ppb)


# --- paths that pick -----------------------------------------------------------------------------

PICKED = (
    ("RenewGrants",),
    ("GrantsRenewed",),
    ("PushRecords",),
    ("RecordsHeld",),
    ("ShardsPromised", "ShardsAccepted"),
    ("PrepareShards", "AcceptShards"),
    ("AcceptShards",),
    ("ReadShards", "ShardsRead"),
    ("ReleaseShards", "ShardsReleased"),
    ("RowsSpread", "DigestSpread", "RowsWanted"),
    ("Decided", "DecidePrepare", "DecideAccept"),
)


class Pick(msgspec.Struct, frozen=True):
    """Messages of some kinds, to or from one member, are late or lost for a while."""

    kinds: tuple[str, ...]
    member: str
    outward: bool
    from_ns: int
    until_ns: int
    lost: float
    late_ns_max: int


def picky(world: World) -> None:
    """Paths that treat one kind of message badly: no rule forbids it."""
    rng = world.rng("script", "picky")
    names = world.network.names
    picks = []
    for second in times(world, rng, 30, spare_s=10):
        from_ns = seconds_to_ns(second)
        picks.append(
            Pick(
                rng.choice(PICKED),
                rng.choice(names),
                rng.random() < 0.5,
                from_ns,
                from_ns + seconds_to_ns(rng.uniform(2, 30)),
                rng.choice((0.0, 0.5, 1.0)),
                seconds_to_ns(rng.choice((1.5, 8, 25))),
            )
        )
    _pick(world, picks, rng)


def _pick(world: World, picks: list[Pick], rng: Random) -> None:
    network, env = world.network, world.env
    send = network.send

    def picking(source: str, target: str, message: Any) -> None:
        now = env.now_ns
        kind = type(message).__name__
        for pick in picks:
            if pick.from_ns <= now < pick.until_ns and kind in pick.kinds:
                if pick.member != (source if pick.outward else target):
                    continue
                if rng.random() < pick.lost:
                    return
                late = int(rng.random() * pick.late_ns_max)
                env.call_later(late, lambda _: send(source, target, message), None)
                return
        send(source, target, message)

    setattr(network, "send", picking)  # noqa: B010 - a method of this one network
