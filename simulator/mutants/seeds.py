"""The recorded seed of each mutant: the smallest of its mix that catches it.

Written by `nexus-sim mutants --record`; a change of the core or of the simulator moves seeds, and
then the search goes on from 0.
"""

from __future__ import annotations

SEEDS: dict[str, int] = {}
