"""Checkers by name.  A new one is a file beside these, a line here, and a canary that trips it."""

from __future__ import annotations

from simulator.checkers.base import Checker
from simulator.checkers.overlap import Overlap

__all__ = ["CHECKERS", "Checker"]

CHECKERS: dict[str, type[Checker]] = {each.name: each for each in (Overlap,)}
