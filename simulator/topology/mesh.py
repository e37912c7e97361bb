"""Everybody beside everybody: one hop between any two members, latencies drawn per pair."""

from __future__ import annotations

from itertools import combinations
from random import Random

import networkx as nx

from simulator.topology.base import Layout, Topology


class Mesh(Topology, kw_only=True):
    """One data centre, or a lab."""

    latency_us: tuple[int, int] = (200, 2_000)

    def build(self, rng: Random) -> Layout:
        plans = self.plans()
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(plan.name for plan in plans)
        for one, other in combinations(plans, 2):
            self.link(graph, one.name, other.name, rng.randint(*self.latency_us))
        return Layout(graph, tuple(plans))
