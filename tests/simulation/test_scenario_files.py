"""Scenario files: all of them load, and what is misspelt is refused with what is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.faults import FAULTS
from simulator.rng import stream
from simulator.scenario import ScenarioError, drawn, load, parse
from simulator.topology import TOPOLOGIES
from simulator.workloads import WORKLOADS

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FILES = sorted(SCENARIOS.rglob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_scenario_loads_and_asks_a_question(path: Path) -> None:
    assert load(path).question.endswith("?")


def small(**more: Any) -> dict[str, Any]:
    """The smallest scenario, with more in it."""
    return {"question": "?", "duration_s": 10, "pools": [POOL], **more}


POOL = {"id": "p", "cidr": "10.0.0.0/28"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (small(duraton_s=5), ("duraton_s", "duration_s")),
        (small(cluster={"drift": 5}), ("drift", "drift_ppm")),
        (small(topology={"kind": "star"}), ("star", "mesh")),
        (small(topology={"kind": "mesh", "core": 3}), ("core", "cores")),
        (small(faults=[{"kind": "partitions"}]), ("partitions", "partition")),
        (small(faults=[{"kind": "partition", "shap": "x"}]), ("shap", "shape")),
        (small(workloads=[{"kind": "steady", "pool": "p", "ttl": 5}]), ("'ttl'", "ttl_s")),
        (small(workloads=[{"kind": "steady", "pool": "q"}]), ("'q'", "'p'")),
        (small(pools=[{"id": "p", "cidr": "10.0.0.0/28", "shards": 3}]), ("shards", "cidr")),
        (small(swarm={"fault": 1}), ("'fault'", "faults")),
        (small(duration_s="long"), ("duration_s",)),
        (small(expect="luck"), ("pass", "violation")),
        (small(checkers=["overlaps"]), ("overlaps", "one_owner")),
    ],
)
def test_what_is_misspelt_is_refused_with_what_is_accepted(
    raw: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(ScenarioError) as refused:
        parse(raw, "made")
    for word in words:
        assert word in str(refused.value)


def test_a_scenario_without_a_swarm_is_the_same_for_every_seed() -> None:
    scenario = parse(small(), "made")
    assert drawn(scenario, stream(1, "swarm")) == drawn(scenario, stream(2, "swarm"))


def test_swarms_draw_every_kind_sooner_or_later() -> None:
    scenario = load(SCENARIOS / "swarm.toml")
    mixes = [drawn(scenario, stream(seed, "swarm")) for seed in range(150)]
    assert {fault.kind for mix in mixes for fault in mix.faults} == {
        kind for kind, each in FAULTS.items() if each.swarms
    }
    assert {load.kind for mix in mixes for load in mix.workloads} == {
        kind for kind, each in WORKLOADS.items() if each.swarms
    }
    assert {mix.topology.kind for mix in mixes} == set(TOPOLOGIES)
