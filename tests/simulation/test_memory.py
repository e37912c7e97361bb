"""A world is gone when its run is over: sweeps run thousands of them in one process."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from nexus.core.operations.allocate import Allocate
from nexus.errors import NexusError
from nexus.model.time import NS_PER_S
from simulator.scenario import load
from simulator.world import build, run
from tests.support.cluster import Cluster

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_nothing_keeps_a_world_when_its_run_is_over() -> None:
    # Shortened, but with refusals: an exhausted pool and members that cannot answer.
    world = build(load(SCENARIOS / "swarm-small.toml"), 1)
    result = run(world)
    assert any(not key.endswith(".ok") for key in result.metrics["answers"])
    gone = weakref.ref(world)
    del world, result
    gc.collect()
    assert gone() is None


def test_a_refusal_keeps_no_frame_of_the_node_that_made_it() -> None:
    cluster = Cluster(("core",))
    cluster.run(NS_PER_S)
    refusal = cluster.call("n1", Allocate("nowhere", "one"))
    assert isinstance(refusal, NexusError)
    assert refusal.__traceback__ is None
    assert refusal.__context__ is None
