"""Invariant 4: nothing from exclusions, gateways, outside, cooling or quarantined units.

What may be given is worked out from the pool's definition by the standard library's addresses
where there are any; when a unit has cooled, from what was told and what was asked, in true time.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from nexus.core.operations.release import Release
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_MS, NS_PER_S, NS_PER_US, Instant
from nexus.model.views import AllocationView
from nexus.ownership.values import Ballot
from simulator.checkers.base import Checker
from simulator.checkers.told import ToldEnds
from simulator.oracle import FOREVER, resource_of

if TYPE_CHECKING:
    from simulator.machine import Machine
    from simulator.world import World

SLACK_NS = 200 * NS_PER_MS
Key = tuple[int, int]


class Legal(Checker):
    """Something was given that must not be given, or not yet."""

    name = "legal"
    invariant = 4

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._specs = {spec.id: spec for spec in world.scenario.pools}
        self._barred = {spec.id: barred(spec) for spec in world.scenario.pools}
        self._ends: dict[str, dict[str, int]] = {}
        """resource -> subscriber -> true instant up to which it may use it."""
        self._released: dict[tuple[str, str], int] = {}
        self._records: dict[tuple[str, str], tuple[Key, Ballot, int, str]] = {}
        """(resource, subscriber) -> shard, epoch, seq and owner of what it was told last."""
        self._resources: dict[tuple[str, str], dict[str, None]] = {}
        """(pool, subscriber) -> resources it was told and has not released since."""

    def asked(self, name: str, request: Any) -> None:
        if isinstance(request, Release) and request.pool_id is not None:
            now = self.world.env.now_ns
            subscriber = request.subscriber_id
            self._released[request.pool_id, subscriber] = now
            for resource in self._resources.pop((request.pool_id, subscriber), ()):
                ends = self._ends[resource]
                if subscriber in ends:
                    ends[subscriber] = min(now, ends[subscriber])

    def told(
        self, machine: Machine, request: Any, view: AllocationView, reading: Instant, asked_ns: int
    ) -> None:
        spec = self._specs.get(view.pool_id)
        if spec is None:
            return
        if view.not_after_us is not None and reading.wall_ns > view.not_after_us * NS_PER_US:
            return  # an answer that took its time on the way: no sink carries it out (R9)
        if view.created:
            self._place(view, spec)
            self._cooled(view, spec)
            self._quarantine(view)
        now = self.world.env.now_ns
        end = FOREVER
        if view.ends_us is not None:
            # Counted from the reading that made the answer, as sinks do: a pause may lie between.
            passed = max(0, machine.clock.peek().boot_ns - reading.boot_ns)
            end = now + max(0, view.ends_us * NS_PER_US - reading.wall_ns - passed)
        resource, subscriber = resource_of(view), view.subscriber_id
        ends = self._ends.setdefault(resource, {})
        released = self._released.get((view.pool_id, subscriber), -1)
        if released >= asked_ns:
            end = released  # it released after it had asked: this answer finds nobody
        ends[subscriber] = max(ends.get(subscriber, 0), end)
        found = self.owner_of(view)
        if found is not None:
            owning, shard, row = found
            assert shard.owner is not None
            epoch = shard.owner.grant.epoch
            self._records[resource, subscriber] = (shard.key, epoch, row.seq, owning.name)
        self._resources.setdefault((view.pool_id, subscriber), {})[resource] = None

    def _place(self, view: AllocationView, spec: PoolSpec) -> None:
        bounds = self._barred[view.pool_id]
        if bounds is None:
            return
        network, never = bounds
        address = ipaddress.ip_address(str(view.ip))
        if address not in network or address in never:
            self.violate(f"{view.resource} of pool {spec.id} was given and must never be")

    def _cooled(self, view: AllocationView, spec: PoolSpec) -> None:
        ends = self._ends.get(resource_of(view), {})
        now = self.world.env.now_ns
        ppm = 2 * self.world.scenario.cluster.drift_ppm
        cooldown = spec.cooldown * NS_PER_S
        for other, end in list(ends.items()):
            if other == view.subscriber_id:
                continue
            early = now < end + cooldown - cooldown * ppm // 1_000_000 - SLACK_NS
            if early and (now < end or not self._unheard_of(resource_of(view), other, view.epoch)):
                self.violate(
                    f"{view.resource} was given to {view.subscriber_id} while it cools after "
                    f"{other} (told or released until {end / 1e9:.3f} s)"
                )
            else:
                del ends[other]

    def _unheard_of(self, resource: str, subscriber: str, epoch: int) -> bool:
        """Only an earlier owner ever knew of that lease: it was over with the hold (R8, R14).

        The successor cannot wait for the cooldown of what it has never heard of.
        """
        record = self._records.get((resource, subscriber))
        told = next((each for each in self.world.checkers if isinstance(each, ToldEnds)), None)
        if record is None or told is None or epoch <= record[1].counter:
            return False
        return not told.known(*record)

    def _quarantine(self, view: AllocationView) -> None:
        found = self.owner_of(view)
        if found is None:
            return
        machine, shard, _row = found
        assert machine.process is not None
        until = shard.owner.quarantine_until if shard.owner is not None else None
        if until is not None and machine.process.node.ctx.clocks.slow < until:
            self.violate(f"{view.resource} was given while its shard is in quarantine")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def barred(spec: PoolSpec) -> tuple[Network, frozenset[Any]] | None:
    """The network of an IPv4 pool, and its addresses that nobody may get; None for other types."""
    if spec.type != "ipv4" or spec.cidr is None:
        return None
    network = ipaddress.IPv4Network(spec.cidr)
    never: set[Any] = set()
    if network.prefixlen < 31:
        never |= {network.network_address, network.broadcast_address}
    if spec.gateway:
        never.add(ipaddress.IPv4Address(spec.gateway))
    for text in spec.exclusions:
        first, _, last = text.partition("-")
        if "/" in first:
            never |= set(ipaddress.IPv4Network(first))
            continue
        low = ipaddress.IPv4Address(first.strip())
        high = ipaddress.IPv4Address(last.strip()) if last else low
        never |= {ipaddress.IPv4Address(number) for number in range(int(low), int(high) + 1)}
    return network, frozenset(never)
