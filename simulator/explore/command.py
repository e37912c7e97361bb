"""`nexus-sim explore`: walk small worlds to their end, and prove the walk on broken cores."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from simulator.explore.keeping import StateError, memory_bytes, resume, save
from simulator.explore.mutants import MUTANTS
from simulator.explore.search import Report, Search
from simulator.explore.story import Story, story_of
from simulator.explore.worlds import WORLDS

FAILED, WRONG_USE = 1, 2
MIB = 1 << 20
SAVING_SHARE = 10
"""At most this fraction of the time goes into putting walks down."""


def add_to(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "explore", help="every interleaving of the core in small worlds", description=__doc__
    )
    parser.add_argument("world", nargs="*", help=f"one or more of {', '.join(WORLDS)}; none: all")
    parser.add_argument("--seconds", type=float, default=60, help="time box of each world")
    parser.add_argument(
        "--memory", type=float, default=4_000, help="MiB of memory at which a walk stops"
    )
    parser.add_argument(
        "--state", type=Path, help="folder to take the walks up from, and put them down in"
    )
    parser.add_argument(
        "--checkpoint", type=float, default=60, help="seconds between two saves into --state"
    )
    parser.add_argument("--mutants", action="store_true", help="walk the broken cores instead")
    parser.add_argument("--list", action="store_true", help="tell the worlds and stop")
    parser.set_defaults(act=_explore)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _explore(arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.world if name not in WORLDS]
    if unknown:
        sys.stderr.write(f"unknown world {unknown[0]!r}, accepted: {', '.join(WORLDS)}\n")
        return WRONG_USE
    if arguments.list:
        for name, small in WORLDS.items():
            _say(f"{name:16} {small.question}")
        return 0
    if arguments.mutants:
        return _mutants(arguments)
    broken = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[worlds]:,} worlds, {task.fields[open]:,} to walk"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress, Keeper() as keeper:
        for name in arguments.world or WORLDS:
            task = progress.add_task(name, total=None, worlds=0, open=0)
            try:
                search, report = _walk(name, arguments, keeper, progress, task)
            except StateError as problem:
                sys.stderr.write(f"{problem}\n")
                return WRONG_USE
            _say(told(report))
            if report.found is not None:
                broken += 1
                _tell(story_of(search, report.found))
            if keeper.asked:
                break
    return FAILED if broken else 0


class Keeper:
    """Stops a walk at its bounds or when somebody asks, and puts it down now and then."""

    def __init__(self) -> None:
        self.asked = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Keeper:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.asked = signal.Signals(number).name


def _walk(
    name: str, arguments: argparse.Namespace, keeper: Keeper, progress: Progress, task: TaskID
) -> tuple[Search, Report]:
    """Walk one world on, from its state file if there is one."""
    path = arguments.state / f"{name}.walk" if arguments.state is not None else None
    small = WORLDS[name]
    search = resume(path, small) if path is not None and path.exists() else Search(small)
    next_save = time.monotonic() + arguments.checkpoint

    def tell(so_far: Search) -> str:
        nonlocal next_save
        # How much is left nobody knows; what is known is how much of what was met is walked.
        progress.update(
            task,
            total=so_far.worlds,
            completed=so_far.worlds - len(so_far.frontier),
            worlds=so_far.worlds,
            open=len(so_far.frontier),
        )
        begun = time.monotonic()
        if path is not None and begun >= next_save:
            save(so_far, path)
            done = time.monotonic()
            next_save = done + max(arguments.checkpoint, SAVING_SHARE * (done - begun))
        if memory_bytes() > arguments.memory * MIB:
            return "memory"
        return keeper.asked

    report = search.run(arguments.seconds, tell)
    tell(search)
    if path is not None:
        save(search, path)
    return search, report


def told(report: Report) -> str:
    """A report for people."""
    left = f", {report.frontier:,} to walk" if report.frontier else ""
    left += f" (stopped by {report.stopped})" if report.stopped else ""
    return (
        f"{report.name}: {report.verdict}, {report.worlds:,} worlds{left}, {report.steps:,} steps, "
        f"longest way {report.depth}; {report.node_states:,} states of single nodes, "
        f"{report.core_steps:,} steps of the core; {report.seconds} s of CPU time"
    )


def _tell(story: Story) -> None:
    _say(f"  {story.ending}, after:")
    for number, line in enumerate(story.lines):
        _say(f"  {number:3} {line}")


def _mutants(arguments: argparse.Namespace) -> int:
    """Every broken core has to break a world; the walk is the same as for the intact one."""
    caught = 0
    for mutant in MUTANTS:
        if arguments.world and mutant.world not in arguments.world:
            continue
        with mutant:
            search = Search(WORLDS[mutant.world])
            report = search.run(arguments.seconds)
            _say(f"{mutant.name} ({mutant.why}) in {told(report)}")
            if report.found is not None:
                caught += 1
                _tell(story_of(search, report.found))
    asked = sum(not arguments.world or each.world in arguments.world for each in MUTANTS)
    _say(f"{asked} mutants, {caught} caught")
    return 0 if caught == asked else FAILED
