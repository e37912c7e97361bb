"""Adversarial: the same subscriber asks at two nodes at the same moment, again and again."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Twins(Workload, kw_only=True):
    """Every login is sent to two homes at once."""

    kind: str = "twins"
    prefix: str = "twin"
    twice: float = 1.0
    roam: float = 0.5
    stay_s: tuple[float, float] = (5, 200)
    away_s: tuple[float, float] = (0.01, 10)
