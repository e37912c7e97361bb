"""Equipment that goes off and on every few seconds."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Flapping(Workload, kw_only=True):
    """Very short stays; half of the departures are releases."""

    kind: str = "flapping"
    prefix: str = "flapper"
    subscribers: int = 10
    stay_s: tuple[float, float] = (1, 15)
    away_s: tuple[float, float] = (0.05, 5)
