"""Login storm: everybody at once after a power cut."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Storm(Workload, kw_only=True):
    """All within two seconds, many twice."""

    kind: str = "storm"
    prefix: str = "storm"
    subscribers: int = 100
    ramp_s: float = 2
    twice: float = 0.2
