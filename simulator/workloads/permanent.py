"""Residential lines: an address for good, released by an operator now and then."""

from __future__ import annotations

from simulator.workloads.base import Workload


class Permanent(Workload, kw_only=True):
    """Permanent allocations; equipment comes and goes, contracts rarely end."""

    kind: str = "permanent"
    prefix: str = "line"
    permanent: float = 1.0
    release: float = 0.3
    stay_s: tuple[float, float] = (30, 600)
