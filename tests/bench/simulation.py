"""How fast the simulator is: simulated seconds, messages and seeds per second of CPU.

Yardsticks: real time (one simulated second a second), and the way SimPy's own tutorial sends
messages, a process for each and a store at each end.  CPU seconds of this process throughout; only
the speed-up of two processes is by the wall clock, because that is what it is about.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import networkx as nx
import simpy

from nexus.core.messages import LifeSign, Message
from nexus.model.time import NS_PER_S
from nexus.ownership.values import NO_SESSION
from simulator.api import sweep
from simulator.env import FastEnvironment
from simulator.journal import Journal
from simulator.network import Network
from simulator.rng import stream
from simulator.scenario import load
from simulator.topology import Layout
from simulator.topology.base import MemberPlan
from simulator.world import build, run
from tests.bench import cells
from tests.bench.cells import Cell, Line

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TEN_EDGES = SCENARIOS / "ten-edges.toml"
PARTITION = SCENARIOS / "partition-five.toml"
SIMULATED_ASKED_PER_S = 1_000
MESSAGES_ASKED = 10
SEEDS = 10_000
SWEEP_ASKED_MINUTES = 40
SPEED_UP_ASKED = 1.7
SAMPLE_SEEDS = range(20)
PAIR_SEEDS = range(60)
PROCESSES = 2

NODES = 1_000
NEIGHBOURS = 4
SPOKEN_TO = 3
"""Each node beats to this many of its neighbours, once a second."""
BEATS_S = 10


# --- ten edges and three cores ------------------------------------------------------------------


def simulated_per_s(path: Path, seed: int) -> float:
    """Simulated seconds per second of CPU, the making of the world included."""
    scenario = load(path)
    began = time.process_time()
    result = run(build(scenario, seed))
    took_s = time.process_time() - began
    assert result.verdict == "pass", result.violations
    return float(result.metrics["simulated_s"]) / took_s


# --- the message layer --------------------------------------------------------------------------


def neighbourhood() -> nx.Graph[str]:
    """Every node has four neighbours; each link has a latency of its own."""
    plain = nx.random_regular_graph(NEIGHBOURS, NODES, seed=1)
    graph: nx.Graph[str] = nx.relabel_nodes(plain, {n: f"n{n}" for n in plain})
    rng = Random(2)
    for _, _, figures in graph.edges(data=True):
        figures.update(latency_us=rng.randint(500, 5_000), jitter_us=300, loss=0.0, capacity=0)
    return graph


class Messages:
    """Our message layer with nobody behind it."""

    def __init__(self) -> None:
        graph = neighbourhood()
        plans = tuple(MemberPlan(name, "edge", name) for name in graph)
        self.env = FastEnvironment(Random(3))
        self.network = Network(
            self.env,
            Layout(graph, plans),
            lambda name: stream(1, name),
            Journal(),
            encoded=False,
        )
        self.journal = self.network.journal
        self.got = 0
        for name in graph:
            self.network.attach(name, self._receive)
        rng = Random(4)
        for name in graph:
            peers = sorted(graph[name])[:SPOKEN_TO]
            self.env.call_later(rng.randrange(NS_PER_S), self._beat, (name, peers))
        self._run(1)  # every route is found, every path made

    def _beat(self, node: tuple[str, list[str]]) -> None:
        name, peers = node
        self.network.send_all(name, peers, BEAT)
        self.env.call_later(NS_PER_S, self._beat, node)

    def _receive(self, sender: str, message: Message) -> None:
        self.got += 1

    def _run(self, seconds: int) -> None:
        self.env.run_until(self.env.now_ns + seconds * NS_PER_S)
        self.journal.flush()

    def per_s(self) -> float:
        """Messages received per second of CPU."""
        before, began = self.got, time.process_time()
        self._run(BEATS_S)
        return (self.got - before) / (time.process_time() - began)


BEAT = LifeSign(1, NO_SESSION, 1)


class ProcessAndStore:
    """The same in SimPy's own words: a process takes each message, a store receives it."""

    def __init__(self) -> None:
        graph = neighbourhood()
        self.env = simpy.Environment()
        self.stores = {name: simpy.Store(self.env) for name in graph}
        self.got = 0
        rng = Random(4)
        self.rngs = {name: stream(1, name) for name in graph}
        for name in graph:
            peers = [(peer, graph.edges[name, peer]) for peer in sorted(graph[name])[:SPOKEN_TO]]
            self.env.process(self._beat(name, peers, rng.random()))
            self.env.process(self._take(name))
        self._run(1)

    def _beat(
        self, name: str, peers: list[Any], begin_s: float
    ) -> Generator[simpy.Event, Any, Any]:
        yield self.env.timeout(begin_s)
        while True:
            for peer, link in peers:
                delay_us = link["latency_us"] + self.rngs[name].random() * link["jitter_us"]
                self.env.process(self._carry(peer, delay_us / 1e6))
            yield self.env.timeout(1)

    def _carry(self, peer: str, delay_s: float) -> Generator[simpy.Event, Any, Any]:
        yield self.env.timeout(delay_s)
        yield self.stores[peer].put(BEAT)

    def _take(self, name: str) -> Generator[simpy.Event, Any, Any]:
        while True:
            yield self.stores[name].get()
            self.got += 1

    def _run(self, seconds: int) -> None:
        self.env.run(self.env.now + seconds)

    def per_s(self) -> float:
        """Messages received per second of CPU."""
        before, began = self.got, time.process_time()
        self._run(BEATS_S)
        return (self.got - before) / (time.process_time() - began)


# --- many seeds ---------------------------------------------------------------------------------


def cpu_s_a_seed() -> float:
    """CPU seconds of one seed of the five-node partition, over a sample of seeds."""
    scenario = load(PARTITION)
    began = time.process_time()
    for seed in SAMPLE_SEEDS:
        result = run(build(scenario, seed))
        assert result.verdict == scenario.expect, (seed, result.violations)
    return (time.process_time() - began) / len(SAMPLE_SEEDS)


def speed_up() -> float:
    """How many times as fast two processes are as one, over the same seeds, by the wall clock."""
    took: list[float] = []
    for jobs in (1, PROCESSES):
        began = time.perf_counter()
        for summary in sweep(PARTITION, PAIR_SEEDS, jobs):
            assert summary.expected, summary
        took.append(time.perf_counter() - began)
    return took[0] / took[1]


# --- where the time goes ------------------------------------------------------------------------

PARTS = (
    ("simulator/env.py", "heap of events"),
    ("simulator/network.py", "network and journal"),
    ("simulator/journal.py", "network and journal"),
    ("simulator/ports.py", "machines: ports, gate, clocks, detector"),
    ("simulator/machine.py", "machines: ports, gate, clocks, detector"),
    ("simulator/clocks.py", "machines: ports, gate, clocks, detector"),
    ("simulator/detector.py", "machines: ports, gate, clocks, detector"),
    ("simulator/world.py", "world and checkers"),
    ("simulator/checkers/", "world and checkers"),
    ("simulator/oracle.py", "world and checkers"),
    ("simulator/workloads/", "subscribers"),
    ("nexus/driver/", "driver"),
    ("nexus/store/", "store and codec"),
    ("nexus/codec.py", "store and codec"),
    ("nexus/core/spread.py", "core: spread of facts"),
    ("nexus/core/digests.py", "core: spread of facts"),
    ("nexus/crdt/", "core: spread of facts"),
    ("nexus/core/renewing.py", "core: renewals"),
    ("nexus/ownership/clocks.py", "core: door, clocks and timers"),
    ("nexus/core/node.py", "core: door, clocks and timers"),
    ("nexus/core/inbound.py", "core: door, clocks and timers"),
    ("nexus/core/context.py", "core: door, clocks and timers"),
    ("nexus/core/timers.py", "core: door, clocks and timers"),
    ("nexus/", "core: records, leases, grants, decisions"),
)
SAMPLE_EVERY_S = 0.001


class Shares:
    """Samples of this process's CPU time by part: a signal every millisecond of it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        while frame is not None:
            name = frame.f_code.co_filename
            for part, told in PARTS:
                if part in name:
                    self.counts[told] += 1
                    return
            frame = frame.f_back  # a library's time is its caller's

    def of(self, work: Callable[[], object]) -> None:
        """Do something and see where its time goes."""
        before = signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY_S, SAMPLE_EVERY_S)
        try:
            work()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def lines(self) -> list[str]:
        """Parts by their share, largest first."""
        total = sum(self.counts.values()) or 1
        return [f"| {part} | {hits / total:.0%} |" for part, hits in self.counts.most_common()]


def shares() -> str:
    """Where the time of ten edges and three cores goes, as a table."""
    found = Shares()
    for seed in range(4):
        found.of(partial(simulated_per_s, TEN_EDGES, seed))
    head = ["### Where a simulated second goes", "", "| part | share of the CPU |", "|---|---:|"]
    note = "Ten edges and three cores, a sample every millisecond of CPU, by the innermost part."
    return "\n".join([*head, *found.lines(), "", note])


# --- the report ---------------------------------------------------------------------------------


def report(rounds: int, rng: Random) -> str:
    """Measure and format."""
    ours, naive = Messages(), ProcessAndStore()
    seeds = count(1)
    ten = Cell(
        "10 edges, 3 cores, 1 request/s: simulated seconds",
        "per CPU s",
        lambda: simulated_per_s(TEN_EDGES, next(seeds)),
    )
    light = Cell(f"messages, {NODES} nodes at 1 Hz, empty handler", "per CPU s", ours.per_s)
    heavy = Cell("a Process and a Store for each", "per CPU s", naive.per_s)
    seed = Cell("one seed of partition-five", "CPU s", cpu_s_a_seed)
    pair = Cell("two processes, as fast as one", "times", speed_up, retries_max=1)
    chosen = [ten, light, heavy, seed]
    cells.run(chosen, rounds, rng)
    if (os.cpu_count() or 1) >= PROCESSES:
        cells.run([pair], 1, rng)
    else:
        print("one CPU only: no speed-up of two processes", file=sys.stderr)
    limit_s = SWEEP_ASKED_MINUTES * 60 * PROCESSES / SEEDS
    lines = [
        Line(ten, None, SIMULATED_ASKED_PER_S),
        Line(light, heavy, MESSAGES_ASKED),
        Line(seed, None, limit_s, at_most=True),
    ]
    if pair.samples:
        lines.append(Line(pair, None, SPEED_UP_ASKED))
    minutes = SEEDS * seed.median / PROCESSES / 60
    notes = [
        f"{SEEDS:,} seeds of partition-five on {PROCESSES} cores, extrapolated from "
        f"{len(SAMPLE_SEEDS)} seeds a sample: **{minutes:.0f} minutes** (asked: "
        f"{SWEEP_ASKED_MINUTES}); the speed-up is over {len(PAIR_SEEDS)} seeds, the start of the "
        "processes included."
    ]
    return cells.table("Simulator", lines, notes) + "\n\n" + shares()
