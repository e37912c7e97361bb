"""More subscribers than units: the pool runs full and stays full."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Exhaustion(Workload, kw_only=True):
    """Everybody wants in; whoever leaves is replaced at once, so units are reused all the time."""

    kind: str = "exhaustion"
    prefix: str = "many"
    subscribers: int = 120
    ramp_s: float = 20
    ttl_s: int = 60
    stay_s: tuple[float, float] = (20, 200)
    away_s: tuple[float, float] = (1, 30)
