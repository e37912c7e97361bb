"""Invariant 12: same seed, same digest, in this process, in another, under another hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.api import first_difference, run_seed
from simulator.scenario import load
from simulator.world import Hooks

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SHORT = "partition-five"


def digest_in_another_process(name: str, seed: int, hash_seed: str) -> str:
    """The digest that a fresh interpreter comes to."""
    code = (
        "from pathlib import Path\n"
        "from simulator.api import run_seed\n"
        "from simulator.scenario import load\n"
        f"print(run_seed(load(Path({str(SCENARIOS / name)!r} + '.toml')), {seed})[1].digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=SCENARIOS.parent,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    return done.stdout.strip()


def test_one_seed_has_one_digest_under_two_hash_seeds_and_in_two_processes() -> None:
    here = run_seed(load(SCENARIOS / f"{SHORT}.toml"), 3)[1].digest
    assert digest_in_another_process(SHORT, 3, "1") == here
    assert digest_in_another_process(SHORT, 3, "2") == here


def test_a_swarm_is_the_same_under_another_hash_seed() -> None:
    here = run_seed(load(SCENARIOS / "swarm.toml"), 4)[1].digest
    assert digest_in_another_process("swarm", 4, "77") == here


def test_two_seeds_have_two_digests() -> None:
    scenario = load(SCENARIOS / "cluster-of-three.toml")
    assert run_seed(scenario, 1)[1].digest != run_seed(scenario, 2)[1].digest


def test_keeping_the_messages_changes_nothing() -> None:
    scenario = load(SCENARIOS / "cluster-of-three.toml")
    plain = run_seed(scenario, 5)[1]
    kept = run_seed(scenario, 5, hooks=Hooks(keep_messages=True))[1]
    assert plain.digest == kept.digest
    assert kept.journal.messages


@pytest.mark.parametrize("seed", [0, 20, 40])
def test_nothing_parts_two_runs_of_a_swarm(seed: int) -> None:
    assert first_difference(load(SCENARIOS / "swarm.toml"), seed) is None
