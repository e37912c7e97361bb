"""Catch mutants: the recorded seed first, then seed after seed of the aimed mix.

A run catches a mutant if a checker complains in it and the intact protocol passes the same seed
of the same mix: what both do wrong says nothing about the rule.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from simulator.mutants.base import RUNS_MAX, Mutant
from simulator.mutants.seeds import SEEDS


class Catch(msgspec.Struct, frozen=True):
    """What came of hunting one mutant."""

    name: str
    seed: int | None
    """The smallest seed that caught it among those run; None: it got away."""
    runs: int
    caught: int
    """Runs that caught it: one, unless all were counted."""
    checker: str
    story: str
    holes: tuple[int, ...]
    """Seeds at which the intact protocol was found wrong."""
    took_s: float

    @property
    def failed(self) -> bool:
        """It got away."""
        return self.seed is None


def caught_at(mutant: Mutant, seed: int) -> tuple[str, str] | None:
    """(checker, story) of the first complaint of a run with this mutant, None if there is none."""
    result = mutant.mix.run(seed, mutant)
    if not result.violations:
        return None
    first = result.violations[0]
    return first.checker, first.story


def hunt(
    mutant: Mutant, *, count: bool = False, runs_max: int = RUNS_MAX, tell: Callable[[], None]
) -> Catch:
    """Look for a seed that catches it; ``count``: go through all of them."""
    began = time.perf_counter()
    recorded = SEEDS.get(mutant.name)
    seeds = [seed for seed in range(runs_max) if seed != recorded]
    if recorded is not None:
        seeds.insert(0, recorded)
    catches: dict[int, tuple[str, str]] = {}
    holes: list[int] = []
    runs = 0
    for seed in seeds[:runs_max]:
        runs += 1
        found = caught_at(mutant, seed)
        tell()
        if found is None:
            continue
        if mutant.control(seed).violations:
            holes.append(seed)
            continue
        catches[seed] = found
        if not count:
            break
    smallest = min(catches, default=None)
    checker, story = catches[smallest] if smallest is not None else ("", "")
    took_s = time.perf_counter() - began
    return Catch(mutant.name, smallest, runs, len(catches), checker, story, tuple(holes), took_s)


def hunt_all(
    mutants: Sequence[Mutant], *, count: bool, runs_max: int, jobs: int
) -> Iterator[Catch]:
    """Hunt them in as many processes; what came of each comes when it is done."""
    tasks = [(mutant.name, count, runs_max) for mutant in mutants]
    jobs = max(1, jobs)
    context = multiprocessing.get_context("spawn")
    for first in range(0, len(tasks), jobs):
        # Fresh processes each time: hundreds of worlds leave more behind than one should carry.
        with context.Pool(jobs) as pool:
            yield from pool.imap_unordered(_hunt_one, tasks[first : first + jobs])


def _hunt_one(task: tuple[str, bool, int]) -> Catch:
    from simulator.mutants import MUTANTS

    name, count, runs_max = task
    return hunt(MUTANTS[name], count=count, runs_max=runs_max, tell=lambda: None)
