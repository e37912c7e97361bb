"""What a topology is: a networkx graph of members and routers, with the members told apart."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import networkx as nx

CORE_ROLES = ("core", "write", "read")


class MemberPlan(msgspec.Struct, frozen=True):
    """One member of the cluster: a vertex of the graph that runs a node."""

    name: str
    role: str
    site: str
    weight: float = 1.0


class Layout(msgspec.Struct, frozen=True):
    """Where everything stands.

    Edges of the graph carry ``latency_us``, ``jitter_us``, ``loss`` and ``capacity`` (messages
    under way in one direction, 0 for no limit).
    """

    graph: Any
    members: tuple[MemberPlan, ...]

    def names(self, role: str | None = None) -> list[str]:
        """Names of members, of one role if given."""
        return [each.name for each in self.members if role is None or each.role == role]


class Topology(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Parameters that every kind has; a kind adds its own and fills `build`."""

    kind: str = "mesh"
    cores: int = 3
    edges: int = 0
    writes: int = 0
    reads: int = 0
    jitter_us: int = 300
    loss: float = 0.0
    capacity: int = 0

    def build(self, rng: Random) -> Layout:
        """The layout of one run."""
        raise NotImplementedError

    def plans(self) -> list[MemberPlan]:
        """Members by role, named after it; every site is the member's own."""
        counts = (("core", self.cores), ("write", self.writes), ("read", self.reads))
        names = [(role, f"{role}-{n + 1}") for role, count in counts for n in range(count)]
        width = len(str(self.edges))
        names += [("edge", f"edge-{n + 1:0{width}}") for n in range(self.edges)]
        return [MemberPlan(name, role, name) for role, name in names]

    def link(self, graph: nx.Graph[str], one: str, other: str, latency_us: int) -> None:
        """Join two vertices."""
        graph.add_edge(
            one,
            other,
            latency_us=latency_us,
            jitter_us=self.jitter_us,
            loss=self.loss,
            capacity=self.capacity,
        )
