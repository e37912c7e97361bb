"""A tree: cores in one place, edges behind aggregation switches, each link a single way."""

from __future__ import annotations

from random import Random

import msgspec
import networkx as nx

from simulator.topology.base import Layout, MemberPlan, Topology


class Tree(Topology, kw_only=True):
    """A cut aggregation link makes an island of the edges behind it."""

    fanout: int = 5
    core_us: tuple[int, int] = (200, 1_000)
    access_us: tuple[int, int] = (1_000, 8_000)

    def build(self, rng: Random) -> Layout:
        graph: nx.Graph[str] = nx.Graph()
        graph.add_node("spine")
        plans: list[MemberPlan] = []
        edges = 0
        for plan in self.plans():
            site = "spine"
            if plan.role == "edge":
                site = f"agg-{edges // self.fanout + 1}"
                edges += 1
                if site not in graph:
                    self.link(graph, site, "spine", rng.randint(*self.access_us))
            self.link(graph, plan.name, site, rng.randint(*self.core_us))
            plans.append(msgspec.structs.replace(plan, site=site))
        return Layout(graph, tuple(plans))
