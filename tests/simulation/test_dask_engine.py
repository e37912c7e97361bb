"""Seeds over a Dask cluster give what seeds over processes give."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from simulator import __main__ as command
from simulator.api import sweep
from simulator.dask_engine import one
from simulator.dask_engine import sweep as dask_sweep

SCENARIO = Path(__file__).parents[2] / "scenarios" / "standalone.toml"


def test_a_worker_needs_only_text():
    (here,) = sweep(SCENARIO, [3], 1)
    assert one(SCENARIO.read_text(), SCENARIO.stem, 3) == here


@pytest.mark.filterwarnings("default")
def test_the_cluster_gives_the_same_results():
    there = sorted(dask_sweep(SCENARIO, range(4), 2), key=lambda each: each.seed)
    assert there == list(sweep(SCENARIO, range(4), 1))


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    status = command.main(["sweep", str(SCENARIO), "--seeds", "0..1", "--engine", "dask"])
    assert status == 2
    assert "nexus[sim,dask]" in capsys.readouterr().err
