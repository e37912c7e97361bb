"""Faults by kind.  A new one is a file beside these and a line here."""

from __future__ import annotations

from simulator.faults.base import Fault, Injection
from simulator.faults.partition import Partition

__all__ = ["FAULTS", "Fault", "Injection"]

FAULTS: dict[str, type[Fault]] = {
    "partition": Partition,
}
