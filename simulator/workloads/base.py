"""Subscribers as agents: they log in, renew, roam, leave or vanish, and come back.

One kind of agent with many inclinations; a workload is a set of inclinations and a rhythm of
arrivals.  Agents speak to a node as the edge on the same machine would, and a sink (the oracle's)
carries out what they are told.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from nexus.core.operations.allocate import Allocate
from nexus.core.operations.read_allocations import GetAllocation
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S, seconds_to_ns
from nexus.model.views import AllocationView, Done
from simulator.calls import Answer
from simulator.oracle import resource_of, told_on_machine

if TYPE_CHECKING:
    from typing import Self

    from simulator.world import World

RETRY_S = (1.0, 8.0)
UNSURE_S = 40.0
"""How long a careful subscriber waits before it asks again what became of its release."""
Range = tuple[float, float]


class Workload(msgspec.Struct, kw_only=True):
    """Inclinations of a set of subscribers; every ratio is a probability per occasion."""

    swarms: ClassVar[bool] = True
    """A swarm may draw this kind."""

    kind: str = "steady"
    pool: str
    subscribers: int = 20
    prefix: str = "sub"
    """First part of the subscribers' ids; two workloads with one prefix share subscribers."""
    homes: str = "owners"
    """Which members subscribers log in at: owners, cores, edges, or all."""
    start_s: float = 0
    ramp_s: float = 30
    """First logins are spread over this."""
    ttl_s: int = 120
    permanent: float = 0.0
    sticky: float = 0.0
    renew_at: float = 0.5
    """Share of a lease after which it is renewed; 0: never."""
    stay_s: Range = (200, 2_000)
    away_s: Range = (5, 200)
    release: float = 0.5
    """Leaving politely; the others just go silent and use their lease to its end."""
    careful: float = 1.0
    """After a release whose outcome is unknown it asks again, and waits, before it comes back;
    the others come back whatever they were answered."""
    roam: float = 0.0
    """The next login is at another home."""
    twice: float = 0.0
    """A login is sent to two homes at once."""
    provisional: float = 0.0
    ask: float = 0.0
    """A renewal is a question (GET) instead."""
    calm_stays: bool = True
    """In the calm phase whoever is in stays in and renews."""

    @classmethod
    def drawn(cls, pool: str, rng: Random) -> Self:
        """This kind with inclinations drawn around its own defaults."""
        made = cls(pool=pool)
        made.kind = next(kind for kind, each in _registry().items() if each is cls)
        made.ttl_s = rng.choice((30, 60, 120, 300, 900))
        made.permanent = rng.choice((0.0, 0.0, 0.2, 1.0))
        made.sticky = rng.choice((0.0, 0.0, 0.5))
        made.provisional = rng.choice((0.0, 0.5, 1.0))
        made.release = rng.random()
        made.ask = rng.choice((0.0, 0.3))
        made.renew_at = rng.choice((0.0, 0.4, 0.5, 0.9))
        made.subscribers = rng.randint(5, 40)
        return made

    def start(self, world: World) -> None:
        """Let the subscribers come."""
        homes = world.homes(self.homes)
        for number in range(self.subscribers):
            name = f"{self.prefix}-{number}"
            rng = world.rng("workload", self.kind, self.pool, name)
            agent = self.agent(world, name, homes, rng)
            delay_s = self.start_s + rng.random() * self.ramp_s
            world.env.call_later(seconds_to_ns(delay_s), agent.login)

    def agent(self, world: World, name: str, homes: list[str], rng: Random) -> Agent:
        """One subscriber; its home is the ring's choice no more than its own."""
        return Agent(world, self, name, homes, rng)


def _registry() -> dict[str, type[Workload]]:
    from simulator.workloads import WORKLOADS

    return WORKLOADS


class Agent:
    """One subscriber's equipment, and the sink in front of it."""

    def __init__(
        self, world: World, workload: Workload, name: str, homes: list[str], rng: Random
    ) -> None:
        self.world = world
        self.workload = workload
        self.name = name
        self.homes = homes
        self.rng = rng
        self.home = rng.choice(homes)
        self.resource: str | None = None
        self.online = False
        self.stint = 0
        """Number of the login; answers to earlier ones are late and find nobody."""
        kinds = ("permanent", "sticky", None)
        odds = (workload.permanent, workload.sticky)
        draw = rng.random()
        self.alloc_type = kinds[0 if draw < odds[0] else 1 if draw < sum(odds) else 2]
        self.careful = rng.random() < workload.careful
        self.until_ns = 0

    # --- coming and going --------------------------------------------------------------------

    def login(self, _: Any = None) -> None:
        """Come online: ask for an allocation."""
        if self.online:
            return
        rng, workload = self.rng, self.workload
        if rng.random() < workload.roam:
            self.home = rng.choice(self.homes)
        self.online = True
        self.stint += 1
        self._allocate(self.stint)
        if rng.random() < workload.twice:
            self._allocate(self.stint, rng.choice(self.homes))
        self._later(rng.uniform(*workload.stay_s), self.leave, self.stint)

    def leave(self, stint: int) -> None:
        """Go offline, with or without a word."""
        if stint != self.stint or not self.online:
            return
        rng, workload = self.rng, self.workload
        if self.world.calm and workload.calm_stays:
            return
        self.online = False
        self.stint += 1
        if self.resource is not None and rng.random() < workload.release:
            self.world.oracle.stop(self.resource, self.name)
            self.resource = None
            self._release()
            return
        self._later(rng.uniform(*workload.away_s), self.login)

    def _release(self, _: Any = None) -> None:
        self.world.call(self.home, Release(self.name, self.workload.pool), self._released)

    def _released(self, answer: Answer) -> None:
        result = answer.result
        sure = isinstance(result, Done) or (isinstance(result, NexusError) and result.definite)
        if sure or not self.careful:
            self._later(self.rng.uniform(*self.workload.away_s), self.login)
        else:
            self._later(UNSURE_S, self._release)

    # --- asking ------------------------------------------------------------------------------

    def _allocate(self, stint: int, home: str | None = None) -> None:
        if stint != self.stint:
            return
        workload = self.workload
        request = Allocate(
            workload.pool,
            self.name,
            ttl_s=None if self.alloc_type == "permanent" else workload.ttl_s,
            alloc_type=self.alloc_type,
            node_id=home or self.home,
            provisional=self.rng.random() < workload.provisional,
        )
        self.world.call(home or self.home, request, lambda answer: self._answered(answer, stint))

    def _renew(self, stint: int) -> None:
        if stint != self.stint or not self.online:
            return
        request: Any = Renew(self.name, self.workload.pool)
        if self.rng.random() < self.workload.ask:
            request = GetAllocation(self.name, self.workload.pool)
        self.world.call(self.home, request, lambda answer: self._renewed(answer, stint))

    def _answered(self, answer: Answer, stint: int) -> None:
        if stint != self.stint:
            return
        if isinstance(answer.result, AllocationView) and self._install(answer, answer.result):
            return
        if self.resource is None:
            self._later(self._retry_s(answer.result), self._allocate, stint)

    def _renewed(self, answer: Answer, stint: int) -> None:
        if stint != self.stint:
            return
        result = answer.result
        if isinstance(result, AllocationView) and self._install(answer, result):
            return
        now = self.world.env.now_ns
        lost = isinstance(result, NexusError) and result.code == "allocation_not_found"
        if now >= self.until_ns or lost:
            # What was told before stays true to its end; a new lease may be another resource.
            self._allocate(stint)
        else:
            wait_s = min(self._retry_s(result), (self.until_ns - now) / NS_PER_S)
            self._later(wait_s, self._renew, stint)

    def _retry_s(self, result: Any) -> float:
        wait_s = self.rng.uniform(*RETRY_S)
        if isinstance(result, NexusError):
            told = result.detail.get("retry_after_s")
            if isinstance(told, int):
                wait_s += min(told, 30)
        return wait_s

    def _install(self, answer: Answer, view: AllocationView) -> bool:
        machine = self.world.machines[answer.machine]
        if machine.boots != answer.boots:
            return False
        told = told_on_machine(view, machine, answer.reading)
        oracle = self.world.oracle
        if not oracle.install(told):
            return False
        resource = resource_of(view)
        if self.resource is not None and self.resource != resource:
            oracle.stop(self.resource, self.name)
        self.resource = resource
        if told.end_in_ns is None:
            self.until_ns = 1 << 62
            return True
        self.until_ns = self.world.env.now_ns + told.end_in_ns
        if self.workload.renew_at:
            wait_s = told.end_in_ns * self.workload.renew_at / NS_PER_S
            self._later(wait_s, self._renew, self.stint)
        else:
            self._later(told.end_in_ns / NS_PER_S, self._ended, self.stint)
        return True

    def _ended(self, stint: int) -> None:
        if stint == self.stint and self.world.env.now_ns >= self.until_ns:
            self.online = False
            self.resource = None
            self._later(self.rng.uniform(*self.workload.away_s), self.login)

    def _later(self, delay_s: float, step: Any, argument: Any = None) -> None:
        self.world.env.call_later(max(1, seconds_to_ns(delay_s)), step, argument)
