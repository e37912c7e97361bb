"""`nexus-sim explore`: walk small worlds, and prove the walk on broken cores."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from simulator.explore.hunt import hunt
from simulator.explore.mutants import MUTANTS
from simulator.explore.search import Report, Search
from simulator.explore.worlds import WORLDS

FAILED, WRONG_USE = 1, 2


def add_to(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "explore", help="every interleaving of the core in small worlds", description=__doc__
    )
    parser.add_argument("world", nargs="*", help=f"one or more of {', '.join(WORLDS)}; none: all")
    parser.add_argument("--seconds", type=float, default=60, help="time box of each world")
    parser.add_argument(
        "--state", type=Path, help="folder to take the walks up from, and put them down in"
    )
    parser.add_argument("--mutants", action="store_true", help="hunt for the broken cores instead")
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
        return _mutants(arguments.seconds)
    broken = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[worlds]:,} worlds, {task.fields[open]:,} to walk"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for name in arguments.world or WORLDS:
            task = progress.add_task(name, total=None, worlds=0, open=0)
            report = _walk(name, arguments, progress, task)
            _say(told(report))
            broken += report.found is not None
    return FAILED if broken else 0


def _walk(name: str, arguments: argparse.Namespace, progress: Progress, task: TaskID) -> Report:
    """Walk one world on, from its state file if there is one."""
    path = arguments.state / f"{name}.walk" if arguments.state is not None else None
    small = WORLDS[name]
    search = Search.resume(path, small) if path is not None and path.exists() else Search(small)

    def tell(so_far: Search) -> None:
        # How much is left nobody knows; what is known is how much of what was met is walked.
        progress.update(
            task,
            total=len(so_far.seen),
            completed=len(so_far.seen) - len(so_far.frontier),
            worlds=len(so_far.seen),
            open=len(so_far.frontier),
        )

    report = search.run(arguments.seconds, tell)
    tell(search)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        search.save(path)
    return report


def told(report: Report) -> str:
    """A report for people."""
    left = f", {report.frontier:,} to walk" if report.frontier else ""
    lines = [
        f"{report.name}: {report.verdict}, {report.worlds:,} worlds{left}, {report.steps:,} steps, "
        f"longest way {report.depth}; {report.node_states:,} states of single nodes, "
        f"{report.core_steps:,} steps of the core; {report.seconds} s"
    ]
    if report.found is not None:
        lines.append(f"  {report.found.story}, after:")
        lines += [f"  {number:3} {action}" for number, action in enumerate(report.found.actions)]
    return "\n".join(lines)


def _mutants(seconds: float) -> int:
    """Every broken core has to break a world."""
    caught = 0
    for mutant in MUTANTS:
        with mutant:
            report = hunt(Search(WORLDS[mutant.world]), seconds)
        story = report.found.story if report.found is not None else "not caught"
        _say(f"{mutant.name:16} {mutant.world:16} {report.walks:6} walks  {story}")
        caught += report.found is not None
    _say(f"{len(MUTANTS)} mutants, {caught} caught")
    return 0 if caught == len(MUTANTS) else FAILED
