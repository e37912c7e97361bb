"""One seed in a worker process: run it, boil it down to numbers, and stop it if it never ends."""

from __future__ import annotations

import signal
import time
from types import FrameType

from simulator.hunt.ledger import Failure, Tally
from simulator.hunt.parts import parts
from simulator.world import Result, World

SEED_CPU_S_MAX = 300.0
"""A seed that takes longer has run away: it counts as failed."""
TELLING = ("Allocate.ok", "Renew.ok", "GetAllocation.ok", "BatchAllocate.ok")
STORY_MAX = 600


class OverdueError(Exception):
    """A run took longer than any should."""


def _overdue(number: int, frame: FrameType | None) -> None:
    raise OverdueError(f"not over after {SEED_CPU_S_MAX:.0f} s of CPU time")


def seed(task: tuple[str, int, str]) -> tuple[Tally, list[Failure]]:
    """Run one (part, seed, commit)."""
    name, number, commit = task
    part = parts()[name]
    tally = Tally(part=name, commit=commit, seeds=1, first=number, last=number)
    began = time.process_time()
    signal.signal(signal.SIGVTALRM, _overdue)
    signal.setitimer(signal.ITIMER_VIRTUAL, SEED_CPU_S_MAX)
    problem: tuple[str, str, float] | None = None
    try:
        world, result = part.run(number)
        problem = _problem(part.scenario().expect, result)
        _count(tally, world, result)
    except Exception as error:
        # A defect of the simulator itself is a finding like any other: kept, with its seed.
        problem = ("simulator", f"{type(error).__name__}: {error}", 0.0)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    tally.cpu_s = time.process_time() - began
    tally.passed, tally.failed = (0, 1) if problem else (1, 0)
    if problem is None:
        return tally, []
    checker, story, at_s = problem
    failure = Failure(name, number, commit, checker, story[:STORY_MAX], at_s, part.command(number))
    return tally, [failure]


def _problem(expect: str, result: Result) -> tuple[str, str, float] | None:
    """(checker, story, true second) of a run that did not end as expected."""
    if result.verdict == expect:
        return None
    if not result.violations:
        return ("expectation", f"the verdict is {result.verdict}, not {expect}", 0.0)
    first = result.violations[0]
    return (first.checker, first.story, first.at_ns / 1e9)


def _count(tally: Tally, world: World, result: Result) -> None:
    """What a run did, counted from what happened rather than from what was planned."""
    metrics = result.metrics
    answers: dict[str, int] = metrics["answers"]
    tally.simulated_s = metrics["simulated_s"]
    tally.events = metrics["events"]
    tally.messages = metrics["messages"]
    tally.requests = sum(answers.values())
    tally.told = sum(answers.get(word, 0) for word in TELLING)
    tally.installed = metrics["installed"]
    tally.leases = metrics["spans"]
    for line in result.journal.decisions:
        if line.kind == "fault" and line.detail["begins"]:
            tally.faults[line.subject] = tally.faults.get(line.subject, 0) + 1
        elif line.kind == "hold":
            tally.epochs += 1
        elif line.kind == "process" and line.detail["what"] == "started":
            tally.starts += 1
