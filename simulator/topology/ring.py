"""A ring of members, as access rings are: two ways to everybody, both through the neighbours."""

from __future__ import annotations

from random import Random

import networkx as nx

from simulator.topology.base import Layout, Topology


class Ring(Topology, kw_only=True):
    """Members in one circle; a cut link sends traffic the other way round."""

    latency_us: tuple[int, int] = (500, 3_000)

    def build(self, rng: Random) -> Layout:
        plans = self.plans()
        names = [plan.name for plan in plans]
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(names)
        for one, other in zip(names, names[1:] + names[:1], strict=True):
            if one != other:
                self.link(graph, one, other, rng.randint(*self.latency_us))
        return Layout(graph, tuple(plans))
