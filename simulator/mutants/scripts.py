"""What mixes do to a world that no scenario says: clones, voter changes, single stories."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from nexus.core.events import DeadlineReached
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.nodes import DrainNode, FenceNode
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError
from nexus.model.time import seconds_to_ns
from nexus.model.views import AllocationView
from nexus.ownership.shard import FLAG_RETIRED, HELD, SERVING
from simulator.calls import Answer
from simulator.clocks import MachineClock
from simulator.machine import Identity, Machine
from simulator.network import Worsening
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


def clones(world: World, frozen_s: tuple[float, float] = (22, 50)) -> None:
    """An edge's machine is frozen, a copy of it starts, and later the frozen one goes on."""
    rng = world.rng("script", "clones")
    for second in times(world, rng, 2, spare_s=110):
        at(world, second, partial(_clone_one, world, rng, rng.uniform(*frozen_s)))


def clones_soon(world: World) -> None:
    """The same, while the frozen one's hold still runs."""
    clones(world, (4, 12))


def _clone_one(world: World, rng: Random, frozen_s: float) -> None:
    owners = owners_of(world)
    if owners:
        _clone(world, rng.choice(owners), frozen_s, back=rng.random() < 0.7)


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

    def to_both(sender: str, message: Any) -> None:
        copy.receive(sender, message)
        original.receive(sender, message)

    world.network.attach(name, to_both)
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
        at(world, second, partial(change_voters, world, by, chosen))


def change_voters(world: World, by: str, voters: tuple[str, ...]) -> None:
    """Ask a member for other voters, if it runs and may."""
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


# --- drains and disks ----------------------------------------------------------------------------


def owners_of(world: World) -> list[str]:
    """Members that serve anything now, the edges among them."""
    found = []
    for name in world.layout.names("edge"):
        process = world.machines[name].process
        if process is not None and process.node.owning.owned:
            found.append(name)
    return found


def drain_and_die(world: World) -> None:
    """An owner is drained, and dies while it gives its shards away."""
    rng = world.rng("script", "drains")
    for second in times(world, rng, 3, spare_s=30):
        at(world, second, partial(_drain_and_die, world, rng))


def _drain_and_die(world: World, rng: Random) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name, by = rng.choice(owners), rng.choice(world.layout.names("core"))
    machine = world.machines[name]
    world.call(by, DrainNode(name), lambda answer: None)
    now_s = world.env.now_ns / 1e9
    if rng.random() < 0.5:
        dies_s = now_s + rng.uniform(0.01, 5)
        at(world, dies_s, partial(machine.crash, reason="died draining"))
        at(world, dies_s + rng.uniform(0.05, 0.3), machine.revive)


def lost_and_passed_on(world: World) -> None:
    """A cut-off owner loses its disk; who takes over has to leave soon after."""
    edges_prove_disks(world)
    rng = world.rng("script", "passed on")
    for second in (25.0, 95.0):
        at(world, second + rng.uniform(0, 10), partial(_lost, world, rng))


def _lost(world: World, rng: Random) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name = rng.choice(owners)
    now_s = world.env.now_ns / 1e9
    cut_s = rng.uniform(5, 11)
    cut(world, [name], cut_s)
    machine = world.machines[name]

    def lose() -> None:
        machine.crash(reason="disk lost")
        machine.wipe()

    at(world, now_s + cut_s - 0.2, lose)
    back_s = now_s + cut_s + 0.5
    at(world, back_s, machine.revive)
    # It says that it is another life of its disk, and is gone again: others take its shards.
    at(world, back_s + rng.uniform(0.1, 0.6), partial(machine.crash, reason="gone again"))
    at(world, back_s + 45, machine.revive)
    deaf_core = rng.choice(world.layout.names("core"))
    if rng.random() < 0.6:
        at(world, back_s - 0.3, partial(cut, world, [deaf_core], rng.uniform(1, 6)))
    for _ in range(2):
        at(world, back_s + rng.uniform(5, 14), partial(_move_on, world, rng))


def _move_on(world: World, rng: Random) -> None:
    """Whoever serves a shard in quarantine is drained, or dies for good and is fenced."""
    cores = world.layout.names("core")
    for name, machine in world.machines.items():
        process = machine.process
        if process is None:
            continue
        owners = [shard.owner for shard in process.node.owning.owned.values()]
        if any(owner is not None and owner.grant.quarantine for owner in owners):
            by = rng.choice([core for core in cores if core != name])
            if rng.random() < 0.5:
                world.call(by, DrainNode(name), _nobody)
            else:
                _fence(world, name, by, 30)
            return


def _nobody(_: Answer) -> None:
    """Nobody waits for this answer."""


def cut(world: World, side: list[str], lasts_s: float) -> None:
    """Nothing passes between some members and the others for a while."""
    names = world.network.names
    pairs = [(a, b) for a in names for b in names if (a in side) != (b in side)]
    number = world.network.worsen(Worsening(cut=True), pairs)
    at(world, world.env.now_ns / 1e9 + lasts_s, lambda: world.network.better(number))


def stale_candidates(world: World) -> None:
    """A member that missed a grant starts again just when that grant's owner is switched off."""
    rng = world.rng("script", "stale")
    for begin in (15.0, 85.0):
        at(world, begin, partial(_stale_candidate, world, rng))


def _stale_candidate(world: World, rng: Random) -> None:
    owners = owners_of(world)
    if not owners:
        return
    name = owners[-1]
    machine = world.machines[name]
    process = machine.process
    assert process is not None
    keys = list(process.node.owning.owned)
    machine.crash(reason="misses a grant")

    def switch_off() -> None:
        for other, each in world.machines.items():
            running = each.process
            if running is None or not any(key in running.node.owning.owned for key in keys):
                continue
            by = rng.choice([core for core in world.layout.names("core") if core != other])
            _fence(world, other, by, 25)
            return

    off_s = world.env.now_ns / 1e9 + 28
    at(world, off_s, switch_off)
    at(world, off_s + rng.uniform(-0.01, 0.03), machine.revive)


# --- a release that nobody heard of --------------------------------------------------------------


def unseen_releases(world: World, ttl_s: int | None = None) -> None:
    """A cut-off owner is told of a release, then loses its disk; its holder comes back."""
    edges_prove_disks(world)
    rng = world.rng("script", "unseen")
    for number, second in enumerate((25.0, 95.0)):
        at(world, second, partial(unseen_release, world, rng, f"unseen-{number}", ttl_s=ttl_s))


def unseen_release(
    world: World, rng: Random, name: str, witness: str = "", ttl_s: int | None = None
) -> None:
    """The story of one; ``witness``: a voter that hears of it and is cut off then."""
    owners = owners_of(world)
    if not owners:
        return
    home = rng.choice(owners)
    elsewhere = rng.choice([core for core in world.layout.names("core") if core != witness])
    machine = world.machines[home]
    now_s = world.env.now_ns / 1e9
    told: list[str] = []

    def answered(answer: Answer) -> None:
        if install(world, answer):
            told.append(resource_of(answer.result))

    def release() -> None:
        for resource in told:
            world.oracle.stop(resource, name)
        world.call(home, Release(name, "p"), lambda _: None)

    def lose() -> None:
        machine.crash(reason="disk lost")
        machine.wipe()

    def install_it(answer: Answer) -> None:
        install(world, answer)

    world.call(home, Allocate("p", name, ttl_s=ttl_s), answered)
    side = [home, witness] if witness else [home]
    at(world, now_s + 4, lambda: cut(world, side, 10))
    if witness:
        at(world, now_s + 13, lambda: cut(world, [witness], 26))
    at(world, now_s + 4.2, release)
    for number in range(8):
        other = Allocate("p", f"{name}-{number}", ttl_s=60, provisional=True)
        step = partial(world.call, home, other, install_it)
        at(world, now_s + 5.5 + rng.uniform(0, 4), step)
    at(world, now_s + 13, lose)
    at(world, now_s + 14.5, machine.revive)
    for wait_s in range(15, 40, 2):
        again = Allocate("p", name, ttl_s=ttl_s)
        at(world, now_s + wait_s, partial(world.call, elsewhere, again, answered))


def one_each(world: World) -> None:
    """R20, looked at 7 s after each partition: of a subscriber's open rows one is in use."""

    def look() -> None:
        in_use: dict[str, list[str]] = {}
        for machine in world.machines.values():
            if machine.process is None:
                continue
            for pool in machine.process.node.book.by_id.values():
                for shard in pool.shards:
                    if shard.owner is None or shard.owner.state != SERVING:
                        continue
                    for row in shard.rows:
                        if row.length == HELD:
                            places = in_use.setdefault(row.subscriber, [])
                            if not row.flags & FLAG_RETIRED:
                                places.append(f"{machine.name} {row.index}")
        for subscriber, places in in_use.items():
            if len(places) != 1:
                world.violate("one_each", 0, f"{subscriber} has {', '.join(places) or 'nothing'}")

    for second in (33, 63, 93, 123):
        at(world, second, look)
