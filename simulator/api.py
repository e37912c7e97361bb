"""What notebooks, tests and the command line call: one seed, many seeds, a smaller failure.

`run_seed` is a function of its arguments alone, so seeds can be spread over processes (or
machines) without anything but numbers going one way and a `Summary` coming back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator import workers
from simulator.scenario import Scenario, load
from simulator.world import Hooks, Result, Violation, World, build, run

SHRINK_RUNS_MAX = 200
CHUNK_SEEDS = 5
CHUNKS_PER_PROCESS = 20
"""Worlds leave memory behind: processes are replaced after so many chunks."""


class Summary(msgspec.Struct, frozen=True):
    """What is left of a run when it crosses to another process."""

    scenario: str
    seed: int
    verdict: str
    expected: bool
    digest: str
    violations: tuple[Violation, ...]
    metrics: dict[str, Any]


def run_seed(
    scenario: Scenario,
    seed: int,
    *,
    mutant: Any = None,
    keep: Sequence[int] | None = None,
    hooks: Hooks | None = None,
) -> tuple[World, Result]:
    """One world from beginning to end."""
    world = build(scenario, seed, mutant=mutant, keep=keep, hooks=hooks)
    return world, run(world)


def summary_of(scenario: Scenario, result: Result) -> Summary:
    """The small part of a result."""
    return Summary(
        result.scenario,
        result.seed,
        result.verdict,
        result.verdict == scenario.expect,
        result.digest,
        result.violations,
        result.metrics,
    )


def _one(task: tuple[str, int]) -> Summary:
    scenario = load(Path(task[0]))
    _, result = run_seed(scenario, task[1])
    return summary_of(scenario, result)


def sweep(path: Path, seeds: Sequence[int], jobs: int) -> Iterator[Summary]:
    """Run many seeds of a scenario file, in as many processes; summaries come as they are done."""
    tasks = [(str(path), seed) for seed in seeds]
    if jobs <= 1:
        yield from map(_one, tasks)
        return
    with workers.pool(jobs, CHUNKS_PER_PROCESS) as pool:
        yield from pool.imap_unordered(_one, tasks, chunksize=CHUNK_SEEDS)


def shrink(
    scenario: Scenario, result: Result, numbers: Sequence[int], told: Callable[[str], None]
) -> list[int]:
    """Numbers of a smallest set of injections with which the same checker still complains.

    Halves first, then single ones (delta debugging); the seed stays, so what is left happens
    exactly as it did.
    """
    wanted = {violation.checker for violation in result.violations}
    kept = list(numbers)
    if not kept:
        return kept
    runs = 0

    def fails(trial: list[int]) -> bool:
        nonlocal runs
        runs += 1
        _, found = run_seed(scenario, result.seed, keep=trial)
        return bool(wanted & {violation.checker for violation in found.violations})

    size = max(1, len(kept) // 2)
    while kept and runs < SHRINK_RUNS_MAX:
        for first in range(0, len(kept), size):
            trial = kept[:first] + kept[first + size :]
            if fails(trial):
                told(f"{len(trial)} faults are enough")
                kept = trial
                break
        else:
            if size == 1:
                break
            size = max(1, size // 2)
    return kept


def first_difference(scenario: Scenario, seed: int) -> str | None:
    """Run one seed twice: None if both are the same, else where they part (invariant 12)."""
    runs = [run_seed(scenario, seed, hooks=Hooks(keep_messages=True))[1] for _ in range(2)]
    if runs[0].digest == runs[1].digest:
        return None
    for one, other in zip(runs[0].journal.messages, runs[1].journal.messages, strict=False):
        if one != other:
            return f"{one} against {other}"
    return "the journals of decisions differ"
