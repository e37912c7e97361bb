"""Random schedules on three and five members: never two subscribers, and one view after healing."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core import parts
from tests.support.cluster import Cluster
from tests.support.schedules import ASKS, FAULTS, SUBSCRIBERS, TTLS, Schedule, random_steps

THREE = ("core", "core", "core")
NAMES = st.sampled_from(("n1", "n2", "n3"))
RUNS = st.tuples(st.just("run"), st.sampled_from((50, 500, 2_000, 8_000, 20_000)))
CALLS = st.tuples(st.sampled_from(ASKS), NAMES, st.sampled_from(SUBSCRIBERS), st.sampled_from(TTLS))
BREAKS = st.tuples(st.sampled_from(FAULTS), NAMES, st.integers(0, (1 << 16) - 1))


def carry_out(cluster, steps):
    schedule = Schedule(cluster)
    schedule.take_all(steps)
    schedule.settle()
    assert not schedule.unserved()


@settings(max_examples=40)
@given(st.lists(st.tuples(RUNS, CALLS, RUNS, BREAKS | CALLS), max_size=12), st.integers(0, 7))
def test_three_members_under_drawn_faults(rounds, seed):
    drifts = {"n1": -900, "n2": 0, "n3": 900}
    steps = [step for steps in rounds for step in steps]
    carry_out(Cluster(THREE, seed=seed, drifts_ppm=drifts), steps)


def swarm(seed, roles, extra=(), **options):
    """One seeded run; each seed leaves some kinds of fault out, so that the others get room."""
    rng = Random(seed)
    faults = [*FAULTS, *extra]
    chosen = rng.sample(faults, rng.randrange(3, len(faults) + 1))
    drifts = {f"n{place}": rng.randrange(-900, 900) for place in range(1, len(roles) + 1)}
    cluster = Cluster(roles, seed=seed, drifts_ppm=drifts, **options)
    steps = random_steps(rng, list(cluster.members), 50, (*chosen, "heal", "restart"))
    carry_out(cluster, steps)


@pytest.mark.parametrize("seed", range(12))
def test_three_members_under_a_swarm_of_faults(seed):
    swarm(seed, THREE, ("drain",))


@pytest.mark.parametrize("seed", range(4))
def test_five_members_under_a_swarm_of_faults(seed):
    swarm(seed, ("core",) * 5)


@pytest.mark.parametrize("seed", range(6))
def test_edges_own_and_cores_vote(seed):
    swarm(seed, (*THREE, "edge", "edge"), edge_horizon_ns=30_000_000_000)


@pytest.mark.parametrize("seed", range(8))
def test_a_voter_comes_back_with_an_empty_disk(seed):
    swarm(seed, (*THREE, "edge"), ("lose_voter",) * 4, edge_horizon_ns=30_000_000_000)


@pytest.mark.parametrize("seed", range(4))
def test_a_voter_of_five_comes_back_empty_while_voters_change(seed):
    swarm(seed, ("core",) * 5, ("lose_voter", "voters") * 3)


@pytest.mark.parametrize("seed", range(6))
def test_everything_long_goes_in_parts(seed, monkeypatch):
    monkeypatch.setattr(parts, "ROWS_SMALL", 0)
    monkeypatch.setattr(parts, "PART_BYTES_MAX", 150)
    roles = ("core",) * 5 if seed % 2 else (*THREE, "edge")
    swarm(seed, roles, ("voters", "restart") * 2, edge_horizon_ns=30_000_000_000)


@pytest.mark.parametrize("seed", range(8))
def test_edges_resume_their_holds_by_a_trusted_clock(seed):
    options = {"edge_horizon_ns": 60_000_000_000, "cold_start_error_bound_ns": 30_000_000_000}
    swarm(seed, (*THREE, "edge", "edge"), ("reboot", "isolate") * 3, **options)


@pytest.mark.parametrize("seed", range(4))
def test_one_core_votes_for_its_edges(seed):
    swarm(seed, ("core", "edge", "edge"), edge_horizon_ns=30_000_000_000)


@pytest.mark.parametrize("seed", range(6))
def test_voters_change_under_a_swarm_of_faults(seed):
    swarm(seed, ("core",) * 5, ("voters",) * 4)
