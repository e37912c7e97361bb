"""Random schedules for a small cluster: what callers ask, what breaks, and what must hold after.

A schedule is a list of steps (plain tuples), so that Hypothesis can draw and shrink it and a hunt
can make it from a seed.  After it everything is healed and the cluster has to come to one view.
"""

from __future__ import annotations

from random import Random
from typing import Any

from nexus.core.events import DeadlineReached
from nexus.core.operations.allocate import Allocate
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.nodes import DrainNode, FenceNode
from nexus.core.operations.read_allocations import GetAllocation
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError
from nexus.model.time import NS_PER_MS, NS_PER_S
from nexus.resources import pool_spec_from
from tests.support.cluster import Cluster

POOL: dict[str, object] = {
    "id": "p",
    "type": "ipv4",
    "cidr": "10.0.0.0/28",
    "sharding_factor": 4,
    "cooldown": 5,
    "mclt": 30,
}
SUBSCRIBERS = tuple(f"s{number}" for number in range(8))
TTLS = (None, 5, 20, 60, 600)
ASKS = ("allocate", "allocate", "allocate", "provisional", "renew", "release", "get")
FAULTS = (
    "crash",
    "restart",
    "reboot",
    "pause",
    "partition",
    "isolate",
    "heal",
    "lossy",
    "slow",
    "hold_disk",
    "free_disk",
    "judge",
    "snapshot",
    "suspend",
    "step_wall",
    "double",
    "recreate_pool",
)

Step = tuple[Any, ...]


def random_steps(rng: Random, names: list[str], count: int, faults: tuple[str, ...]) -> list[Step]:
    """A schedule from a seed."""
    steps: list[Step] = []
    for _ in range(count):
        steps.append(("run", rng.choice((50, 500, 2_000, 8_000, 20_000))))
        if rng.random() < 0.7:
            steps.append(
                (
                    rng.choice(ASKS),
                    rng.choice(names),
                    rng.choice(SUBSCRIBERS),
                    rng.choice(TTLS),
                )
            )
        else:
            steps.append((rng.choice(faults), rng.choice(names), rng.randrange(1 << 16)))
    return steps


class Schedule:
    """Carries out steps on a cluster."""

    def __init__(self, cluster: Cluster, pool: dict[str, object] = POOL) -> None:
        self.cluster = cluster
        self.pool = pool
        self.loss = 0.0
        self.doubles = 0.0
        self.slow_ms = 2
        cluster.delay_ns = self._delay_ns
        cluster.lose = lambda sender, to, message: cluster.rng.random() < self.loss
        cluster.double = lambda: cluster.rng.random() < self.doubles
        spec, _ = pool_spec_from(pool)
        cluster.run(NS_PER_S)
        made = cluster.call("n1", CreatePool(spec))
        assert not isinstance(made, NexusError), made
        cluster.run(2 * NS_PER_S)

    def _delay_ns(self) -> int:
        return self.cluster.rng.randrange(1, self.slow_ms + 1) * NS_PER_MS

    def take_all(self, steps: list[Step]) -> None:
        """All steps, the oracle asked after each."""
        for step in steps:
            self.take(step)
            self.cluster.oracle.check()
        self.cluster.check()

    def take(self, step: Step) -> None:
        """One step."""
        verb = step[0]
        cluster = self.cluster
        if verb == "run":
            cluster.run(step[1] * NS_PER_MS)
            return
        if verb in ASKS:
            self._ask(*step)
            return
        name, number = step[1], step[2]
        member = cluster.members[name]
        if verb == "crash":
            if member.alive:
                cluster.crash(name, survive=number % 2)
        elif verb in ("restart", "reboot"):
            cluster.restart(name, reboot=verb == "reboot")
        elif verb == "pause":
            cluster.pause(name, (number % 40_000) * NS_PER_MS)
        elif verb in ("partition", "isolate"):
            names = list(cluster.members)
            side = [one for place, one in enumerate(names) if number >> place & 1]
            alone = [name] if verb == "isolate" else side
            cluster.partition([one for one in names if one not in alone], alone)
        elif verb == "heal":
            cluster.heal()
            self.loss = 0.0
            self.slow_ms = 2
        elif verb == "lossy":
            self.loss = 0.2
        elif verb == "slow":
            self.slow_ms = 1 + number % 4_000
        elif verb == "double":
            self.doubles = 0.2
        elif verb == "hold_disk":
            cluster.hold_disk(name)
        elif verb == "free_disk":
            cluster.free_disk(name)
        elif verb == "judge":
            cluster.judge(name, ("online", "offline")[number % 2])
        elif verb == "suspend":
            member.clock.suspend((number % 10_000) * NS_PER_MS)
        elif verb == "step_wall":
            member.clock.step_wall((number % 20_000 - 10_000) * NS_PER_MS)
        elif verb == "snapshot":
            if member.alive and not member.disk_held:
                member.snapshot()
                cluster.run(2 * NS_PER_MS)
        elif verb == "recreate_pool":
            cluster.ask(name, DeletePool("p", force=True))
            cluster.run(200 * NS_PER_MS)
            spec, _ = pool_spec_from(self.pool)
            cluster.ask(name, CreatePool(spec))
        elif verb == "drain":
            cluster.ask(name, DrainNode(name))
        elif verb == "fence":
            self._fence(name)
        elif verb == "voters":
            self._voters(name, number)
        elif verb == "lose_voter":
            self._lose_voter(name, number)
        elif verb == "lose_disk":
            if name not in cluster.node("n1").ctx.configuration.voters:
                cluster.lose_disk(name, disk_proof=bool(number % 2))
        else:
            raise AssertionError(f"no such step: {step}")

    def _ask(self, verb: str, name: str, subscriber: str, ttl_s: int | None) -> None:
        request: Any
        if verb in ("allocate", "provisional"):
            request = Allocate("p", subscriber, ttl_s=ttl_s, provisional=verb == "provisional")
        elif verb == "renew":
            request = Renew(subscriber, "p", ttl_s)
        elif verb == "release":
            request = Release(subscriber, "p")
        else:
            request = GetAllocation(subscriber, "p")
        self.cluster.ask(name, request)

    def _lose_voter(self, name: str, number: int) -> None:
        """One voter of several comes back empty under its old id: it must not vote (R21 d)."""
        cluster = self.cluster
        known = [member.node.ctx.configuration for member in cluster.members.values()]
        newest = max(known, key=lambda config: config.number)
        lost = any(member.incarnation > 1 for member in cluster.members.values())
        if not lost and not newest.joint and len(newest.old) > 1:
            cluster.lose_disk(name, disk_proof=bool(number % 2))

    def _fence(self, name: str) -> None:
        """The operator has switched the member off: what it told cannot be used any more."""
        for member in self.cluster.alive():
            if member.name != name:
                self.cluster.ask(member.name, FenceNode(name, "power is off"))
                break

    def _voters(self, name: str, number: int) -> None:
        names = sorted(self.cluster.members)
        size = (1, 3, 5)[number % 3]
        if size > len(names):
            return
        rng = Random(number)
        member = self.cluster.members[name]
        if member.alive:
            try:
                self.cluster.node(name).voters.change(tuple(rng.sample(names, size)))
            except NexusError:
                return
            member.driver.deliver(DeadlineReached())

    def settle(self, seconds: int = 120) -> None:
        """Everything is repaired; after a while all members have one view and serve."""
        cluster = self.cluster
        cluster.heal()
        self.loss = self.doubles = 0.0
        self.slow_ms = 2
        for member in cluster.members.values():
            member.paused_until_ns = 0
            if member.disk_held:
                cluster.free_disk(member.name)
            if not member.alive:
                member.start()
        for name in cluster.members:
            cluster.judge(name, "online")
        cluster.run(seconds * NS_PER_S)
        # Leases end and empty shards move at any time: a moment of rest has to come, not this one.
        cluster.run_until(self.rests, 60 * NS_PER_S)
        cluster.check()
        assert not cluster.differences(), "\n".join(cluster.differences())

    def rests(self) -> bool:
        """One view, and every shard is served."""
        return not self.unserved() and not self.cluster.differences()

    def unserved(self) -> list[str]:
        """Shards that nobody serves."""
        cluster = self.cluster
        served = {
            key
            for member in cluster.alive()
            for key, shard in member.node.owning.owned.items()
            if shard.owner is not None and shard.owner.state == "serving"
        }
        return [
            f"{pool.spec.id}/{shard.index}"
            for pool in cluster.alive()[0].node.book.by_id.values()
            for shard in pool.shards
            if shard.key not in served
        ]
