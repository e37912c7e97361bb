"""Workloads by kind.  A new one is a file beside these and a line here."""

from __future__ import annotations

from simulator.workloads.base import Workload
from simulator.workloads.carried import CarriedOver
from simulator.workloads.exhaustion import Exhaustion
from simulator.workloads.flapping import Flapping
from simulator.workloads.permanent import Permanent
from simulator.workloads.roaming import Roaming
from simulator.workloads.steady import Steady
from simulator.workloads.storm import Storm
from simulator.workloads.twins import Twins
from simulator.workloads.wifi import Wifi

__all__ = ["WORKLOADS", "Workload"]

WORKLOADS: dict[str, type[Workload]] = {
    "steady": Steady,
    "storm": Storm,
    "roaming": Roaming,
    "flapping": Flapping,
    "twins": Twins,
    "exhaustion": Exhaustion,
    "wifi": Wifi,
    "permanent": Permanent,
    "carried": CarriedOver,
}
