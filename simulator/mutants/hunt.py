"""Catch mutants: the recorded seed first, then seed after seed of the aimed mix.

A run catches a mutant if a checker complains in it and its control passes the same seed of the
same mix: what both do wrong says nothing about the rule.  The control is the intact protocol, or,
where another rule stands in for this one, the protocol without that other rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from simulator import workers
from simulator.mutants.base import RUNS_MAX, Mutant
from simulator.mutants.seeds import SEEDS

MUTANTS_PER_PROCESS = 4


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
    """Seeds at which the control was found wrong."""
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
    mutant: Mutant,
    *,
    count: bool = False,
    fresh: bool = False,
    runs_max: int = RUNS_MAX,
    tell: Callable[[], None],
) -> Catch:
    """Look for a seed that catches it.

    Parameters
    ----------
    count : go through all seeds instead of stopping at the first catch.
    fresh : begin with seed 0, whatever is recorded.
    """
    began = time.perf_counter()
    recorded = None if fresh else SEEDS.get(mutant.name)
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
    mutants: Sequence[Mutant], *, count: bool, fresh: bool, runs_max: int, jobs: int
) -> Iterator[Catch]:
    """Hunt them in as many processes; what came of each comes when it is done."""
    tasks = [(mutant.name, count, fresh, runs_max) for mutant in mutants]
    with workers.pool(jobs, MUTANTS_PER_PROCESS) as pool:
        yield from pool.imap_unordered(_hunt_one, tasks)


def _hunt_one(task: tuple[str, bool, bool, int]) -> Catch:
    from simulator.mutants import MUTANTS

    name, count, fresh, runs_max = task
    return hunt(MUTANTS[name], count=count, fresh=fresh, runs_max=runs_max, tell=lambda: None)
