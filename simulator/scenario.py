"""Scenario files: what is built, what goes on in it, what goes wrong, and what is expected.

TOML, read once.  Unknown keys are refused with the accepted ones, at every level: a misspelt fault
would otherwise be a scenario that always passes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec

from nexus.core.config import InitialMember, NodeConfig
from nexus.errors import NexusError
from nexus.model.pool import PoolSpec
from nexus.model.time import seconds_to_ns
from nexus.ownership.values import NO_SESSION
from nexus.resources import pool_spec_from
from simulator.carried import Carried
from simulator.checkers import CHECKERS
from simulator.faults import FAULTS, Fault
from simulator.topology import TOPOLOGIES, Layout, Topology
from simulator.workloads import WORKLOADS, Workload

S = TypeVar("S", bound=msgspec.Struct)


class ScenarioError(Exception):
    """The scenario cannot be run as written; the text names the key and what is accepted."""


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """Knobs of the cluster and of its machines."""

    standalone: bool = False
    """One node without peers (the daemon as `nexus serve` starts it)."""
    drift_ppm: int = 1000
    drift_share: float = 0.5
    """How much of the drift bound the machines' clocks really use."""
    wall_error_ms: int = 50
    ack_limit_s: float = 5
    core_horizon_s: float = 15
    edge_horizon_s: float = 86_400
    clock_error_bound_s: float = 10
    """Of core nodes; edges state none."""
    renew_interval_s: float | None = None
    quorum_wait_s: float = 2
    grant_wait_s: float = 2
    round_interval_ms: float = 2
    offline_after_s: float = 30
    life_sign_interval_s: float = 5
    digest_interval_s: float = 10
    detector: bool = True
    """Nodes are told who seems offline, from the messages that reach them."""
    commit_us: tuple[int, int] = (100, 2_000)
    snapshot_kib: int = 256
    """Log size at which a snapshot is taken."""
    late_requests: bool = False
    """A process that stood still carries out requests whose callers hung up long ago."""
    client_us: int = 200
    """One way between a caller and the node on its own machine."""

    def node_config(self, name: str, role: str, layout: Layout) -> NodeConfig:
        """The configuration of one member; incarnation, session and boot come at each start."""
        members = tuple(InitialMember(m.name, m.role, m.weight) for m in layout.members)
        renew = self.renew_interval_s
        return NodeConfig(
            node_id=name,
            cluster_id="sim",
            incarnation=0,
            session=NO_SESSION,
            boot_id="",
            role=role,
            members=() if self.standalone else members,
            ack_limit_ns=seconds_to_ns(self.ack_limit_s),
            clock_error_bound_ns=(
                None if role == "edge" else seconds_to_ns(self.clock_error_bound_s)
            ),
            core_horizon_ns=seconds_to_ns(self.core_horizon_s),
            edge_horizon_ns=seconds_to_ns(self.edge_horizon_s),
            renew_interval_ns=None if renew is None else seconds_to_ns(renew),
            round_interval_ns=seconds_to_ns(self.round_interval_ms / 1000),
            quorum_wait_ns=seconds_to_ns(self.quorum_wait_s),
            grant_wait_ns=seconds_to_ns(self.grant_wait_s),
            drift_ppm=self.drift_ppm,
            offline_after_ns=seconds_to_ns(self.offline_after_s),
            life_sign_interval_ns=seconds_to_ns(self.life_sign_interval_s),
            digest_interval_ns=seconds_to_ns(self.digest_interval_s),
        )


class Swarm(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what a seed draws: the mix of topology, workloads and faults."""

    topologies: tuple[str, ...] = ("mesh", "hubs", "ring", "tree")
    cores: tuple[int, ...] = (3, 3, 4, 5)
    edges: tuple[int, int] = (1, 5)
    workloads: tuple[int, int] = (1, 3)
    workload_kinds: tuple[str, ...] = ()
    """Empty: all."""
    faults: tuple[int, int] = (1, 5)
    """Kinds of faults in one run."""
    fault_kinds: tuple[str, ...] = ()
    injections: tuple[int, int] = (2, 10)
    """Of each kind drawn."""
    pace: float = 1.0
    """So many times as fast as usual: faults are that much shorter."""
    bustle: float = 1.0
    """So many times as fast as usual: subscribers come, go and return sooner."""
    subscribers_max: int = 1_000
    """Of each workload drawn."""
    ttls_s: tuple[int, ...] = ()
    """Leases of the workloads drawn; empty: from half a minute to a quarter of an hour."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario, checked."""

    name: str
    question: str
    duration_s: float
    calm_s: float = 60
    warmup_s: float = 5
    expect: str = "pass"
    topology: Topology
    cluster: Cluster = Cluster()
    pools: tuple[PoolSpec, ...] = ()
    workloads: tuple[Workload, ...] = ()
    faults: tuple[Fault, ...] = ()
    checkers: tuple[str, ...] = ()
    """Empty: all."""
    swarm: Swarm | None = None
    carried: Carried | None = None
    """What is held when the run begins; else it begins with empty disks."""


EXPECTATIONS = ("pass", "violation")
_SECTIONS = ("topology", "cluster", "pools", "workloads", "faults", "swarm", "carried")


def load(path: Path) -> Scenario:
    """Read a scenario file."""
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as problem:
        raise ScenarioError(f"{path}: {problem}") from None
    return parse(raw, path.stem)


def parse(raw: Mapping[str, Any], name: str) -> Scenario:
    """A scenario from its decoded text."""
    known = tuple(field for field in Scenario.__struct_fields__ if field != "name")
    _refuse_unknown(raw, known, name)
    cluster = _struct(raw.get("cluster", {}), Cluster, f"{name}: [cluster]")
    top = {key: value for key, value in raw.items() if key not in _SECTIONS}
    scenario: Scenario = _convert(
        {**top, "name": name, "topology": {}, "pools": []}, Scenario, name, skip=True
    )
    pools = tuple(_pool(each, cluster, f"{name}: [[pools]]") for each in raw.get("pools", ()))
    scenario = msgspec.structs.replace(
        scenario,
        cluster=cluster,
        topology=_of_kind(raw.get("topology", {}), TOPOLOGIES, f"{name}: [topology]", "mesh"),
        pools=pools,
        workloads=_all_of_kind(raw, "workloads", WORKLOADS, name),
        faults=_all_of_kind(raw, "faults", FAULTS, name),
        swarm=_struct(raw["swarm"], Swarm, f"{name}: [swarm]") if "swarm" in raw else None,
        carried=_struct(raw["carried"], Carried, f"{name}: [carried]")
        if "carried" in raw
        else None,
    )
    if scenario.expect not in EXPECTATIONS:
        raise ScenarioError(f"{name}: expect must be one of {', '.join(EXPECTATIONS)}")
    for checker in scenario.checkers:
        if checker not in CHECKERS:
            raise ScenarioError(
                f"{name}: unknown checker {checker!r}, accepted: {', '.join(CHECKERS)}"
            )
    pool_ids = [pool.id for pool in pools]
    for workload in scenario.workloads:
        if workload.pool not in pool_ids:
            raise ScenarioError(f"{name}: workload pool {workload.pool!r} is none of {pool_ids}")
    return scenario


def _all_of_kind(
    raw: Mapping[str, Any], section: str, registry: Mapping[str, type[S]], name: str
) -> tuple[S, ...]:
    where = f"{name}: [[{section}]]"
    return tuple(_of_kind(each, registry, where) for each in raw.get(section, ()))


def _of_kind(
    raw: Mapping[str, Any], registry: Mapping[str, type[S]], where: str, default: str = ""
) -> S:
    kind = raw.get("kind", default)
    found = registry.get(kind)
    if found is None:
        raise ScenarioError(f"{where}: unknown kind {kind!r}, accepted: {', '.join(registry)}")
    return _struct({**raw, "kind": kind}, found, f"{where} {kind}")


def _struct(raw: Mapping[str, Any], kind: type[S], where: str) -> S:
    _refuse_unknown(raw, kind.__struct_fields__, where)
    return _convert(raw, kind, where)


def _convert(raw: Mapping[str, Any], kind: type[S], where: str, *, skip: bool = False) -> S:
    try:
        return msgspec.convert(raw, kind, strict=not skip)
    except msgspec.ValidationError as problem:
        raise ScenarioError(f"{where}: {problem}") from None


def _refuse_unknown(raw: Mapping[str, Any], accepted: tuple[str, ...], where: str) -> None:
    unknown = [key for key in raw if key not in accepted]
    if unknown:
        raise ScenarioError(
            f"{where}: unknown key {unknown[0]!r}, accepted: {', '.join(sorted(accepted))}"
        )


def _pool(raw: Mapping[str, Any], cluster: Cluster, where: str) -> PoolSpec:
    try:
        spec, warnings = pool_spec_from(raw, ack_limit_s=cluster.ack_limit_s)
    except NexusError as refused:
        raise ScenarioError(f"{where}: {refused.message}") from None
    _refuse_unknown(raw, PoolSpec.__struct_fields__, where)
    if warnings:
        raise ScenarioError(f"{where}: {warnings[0]}")
    return spec


def drawn(scenario: Scenario, rng: Random) -> Scenario:
    """The scenario of one seed: a swarm draws its mix, any other is what it is."""
    swarm = scenario.swarm
    if swarm is None:
        return scenario
    kind = TOPOLOGIES[rng.choice(swarm.topologies)]
    topology = kind(cores=rng.choice(swarm.cores), edges=rng.randint(*swarm.edges))
    topology.kind = next(name for name, each in TOPOLOGIES.items() if each is kind)
    workload_kinds = sorted(swarm.workload_kinds or [k for k in WORKLOADS if WORKLOADS[k].swarms])
    fault_kinds = sorted(swarm.fault_kinds or [k for k in FAULTS if FAULTS[k].swarms])
    workloads = tuple(
        _workload(WORKLOADS[each].drawn(rng.choice(scenario.pools).id, rng), swarm, rng)
        for each in _some(workload_kinds, swarm.workloads, rng)
    )
    faults = tuple(
        _fault(FAULTS[each].drawn(rng.randint(*swarm.injections), rng), swarm)
        for each in _some(fault_kinds, swarm.faults, rng)
    )
    return msgspec.structs.replace(
        scenario,
        topology=topology,
        workloads=(*scenario.workloads, *workloads),
        faults=(*scenario.faults, *faults),
        swarm=None,
    )


def _workload(drawn_one: Workload, swarm: Swarm, rng: Random) -> Workload:
    """A drawn workload within the swarm's bounds."""
    drawn_one.subscribers = min(drawn_one.subscribers, swarm.subscribers_max)
    if swarm.ttls_s:
        drawn_one.ttl_s = rng.choice(swarm.ttls_s)
    drawn_one.ramp_s /= swarm.bustle
    drawn_one.stay_s = _faster(drawn_one.stay_s, swarm.bustle)
    drawn_one.away_s = _faster(drawn_one.away_s, swarm.bustle)
    return drawn_one


def _fault(drawn_one: Fault, swarm: Swarm) -> Fault:
    """A drawn fault at the swarm's pace."""
    drawn_one.for_s = _faster(drawn_one.for_s or drawn_one.lasts_s, swarm.pace)
    return drawn_one


def _faster(bounds: tuple[float, float], times: float) -> tuple[float, float]:
    return (bounds[0] / times, bounds[1] / times)


def _some(kinds: list[str], bounds: tuple[int, int], rng: Random) -> list[str]:
    return rng.sample(kinds, min(len(kinds), rng.randint(*bounds)))
