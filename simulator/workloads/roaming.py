"""Roaming: one subscriber, several edges, often before the first lease has ended."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Roaming(Workload, kw_only=True):
    """Short stays at ever other homes."""

    kind: str = "roaming"
    prefix: str = "roamer"
    roam: float = 0.8
    stay_s: tuple[float, float] = (5, 120)
    away_s: tuple[float, float] = (0.01, 20)
    release: float = 0.3
