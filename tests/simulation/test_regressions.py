"""Every hole that was found stays closed: each has a small scenario with a fixed timeline.

A scenario that could not show the hole would prove nothing, so where the cure is one function it
is taken away again here, and the scenario has to complain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexus.core import passing
from nexus.core.context import Context
from nexus.core.tickets import Tickets
from simulator.api import run_seed
from simulator.checkers.told import ToldEnds
from simulator.scenario import load

FOLDER = Path(__file__).parents[2] / "scenarios" / "regressions"
FILES = sorted(FOLDER.glob("*.toml"))
SEEDS = 4
SEEDS_TO_FIND = 12


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_hole_stays_closed(path: Path) -> None:
    scenario = load(path)
    assert all(fault.at_s for fault in scenario.faults), "a fixed timeline"
    for seed in range(SEEDS):
        _, result = run_seed(scenario, seed)
        assert result.verdict == scenario.expect, (seed, result.violations)
        assert result.metrics["installed"] > 0, "nobody was ever served"


def _always_later(self: Context, pool_no: int, rows: Any, about: Any, entry: Any) -> None:
    """Rows wait for company although their position is being written."""
    if self.replaying:
        return
    later = self._later_rows.setdefault(pool_no, {})
    later.update({row.index: row for row in rows})
    if entry is not None:
        self._later[about] = entry
    self._later_count += len(rows) + 1


CURES: dict[str, tuple[Any, str, Any]] = {
    "stamps-that-travel": (passing, "CLOCKS_AGREE_US", 1 << 60),
    "late-release": (Tickets, "admits", lambda *_: True),
    "position-without-rows": (Context, "persist_later", _always_later),
    "unheard-of-leases": (ToldEnds, "known", lambda *_: True),
}
"""Scenario -> what cures the hole, and what takes the cure away (of a checker, in the last)."""


@pytest.mark.parametrize("name", CURES)
def test_without_the_cure_it_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*CURES[name])
    scenario = load(FOLDER / f"{name}.toml")
    found = (run_seed(scenario, seed)[1].violations for seed in range(SEEDS_TO_FIND))
    assert any(found)
