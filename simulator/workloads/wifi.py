"""Public WiFi: short leases, no goodbye, the same address for whoever comes back soon."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Wifi(Workload, kw_only=True):
    """Sticky leases of five minutes; guests leave without a word and often return."""

    kind: str = "wifi"
    prefix: str = "guest"
    ttl_s: int = 300
    sticky: float = 1.0
    release: float = 0.0
    stay_s: tuple[float, float] = (60, 900)
    away_s: tuple[float, float] = (30, 900)
