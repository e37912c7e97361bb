"""Regional hubs: cores on a ring of hubs, edges hang off the hubs (a tree with a ring on top)."""

from __future__ import annotations

from random import Random

import msgspec
import networkx as nx

from simulator.topology.base import Layout, MemberPlan, Topology


class Hubs(Topology, kw_only=True):
    """A regional network: access lines to hubs, a backbone ring between them."""

    hubs: int = 3
    backbone_us: tuple[int, int] = (2_000, 10_000)
    access_us: tuple[int, int] = (500, 5_000)

    def build(self, rng: Random) -> Layout:
        hubs = [f"hub-{n + 1}" for n in range(self.hubs)]
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(hubs)
        for one, other in zip(hubs, hubs[1:] + hubs[:1], strict=True):
            if one != other:
                self.link(graph, one, other, rng.randint(*self.backbone_us))
        plans: list[MemberPlan] = []
        for number, plan in enumerate(self.plans()):
            hub = hubs[number % len(hubs)]
            self.link(graph, plan.name, hub, rng.randint(*self.access_us))
            plans.append(msgspec.structs.replace(plan, site=hub))
        return Layout(graph, tuple(plans))
