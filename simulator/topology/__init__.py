"""Topologies by kind.  A new one is a file beside these and a line here."""

from __future__ import annotations

from simulator.topology.base import Layout, MemberPlan, Topology
from simulator.topology.hubs import Hubs
from simulator.topology.mesh import Mesh
from simulator.topology.ring import Ring
from simulator.topology.tree import Tree

__all__ = ["TOPOLOGIES", "Layout", "MemberPlan", "Topology"]

TOPOLOGIES: dict[str, type[Topology]] = {
    "mesh": Mesh,
    "hubs": Hubs,
    "ring": Ring,
    "tree": Tree,
}
