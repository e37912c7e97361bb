"""Steady renewals: most of what a network does all day."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Steady(Workload, kw_only=True):
    """Subscribers that stay for long and renew at half of their lease."""

    kind: str = "steady"
    stay_s: tuple[float, float] = (600, 7_200)
