"""`nexus-sim`: run one seed, sweep many, replay a folder."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulator import compare, dask_engine, report, whatif
from simulator import folder as folders
from simulator.api import Summary, run_seed, shrink, sweep
from simulator.explore import command as explore
from simulator.hunt import command as hunt
from simulator.mutants import command as mutants
from simulator.recorder import Recorder
from simulator.scenario import ScenarioError, load
from simulator.world import Hooks, Result, Violation, World

FAILED, WRONG_USE = 1, 2
ENGINES = ("processes", "dask")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0 as expected, 1 not, 2 for wrong use."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.act(arguments)
    except (ScenarioError, dask_engine.DaskMissingError) as problem:
        print(problem, file=sys.stderr)
        return WRONG_USE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nexus-sim", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("run", help="one seed of a scenario")
    one.add_argument("scenario", type=Path)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--out", type=Path, help="leave a folder with everything about the run")
    one.add_argument("--keep", type=_numbers, help="let only these faults happen: 3,5,8")
    one.add_argument("--no-shrink", action="store_true", help="do not look for fewer faults")
    one.set_defaults(act=_run)
    many = commands.add_parser("sweep", help="many seeds of a scenario")
    many.add_argument("scenario", type=Path)
    many.add_argument("--seeds", type=_range, required=True, help="A..B, both included")
    many.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    many.add_argument(
        "--engine", choices=ENGINES, default=ENGINES[0], help="dask: needs the extra of that name"
    )
    many.add_argument("--scheduler", help="address of a Dask scheduler; none: one on this machine")
    many.add_argument("--collect", action="store_true", help="go on after the first failure")
    many.set_defaults(act=_sweep)
    again = commands.add_parser("replay", help="run what a folder holds, and compare the digest")
    again.add_argument("folder", type=Path)
    again.set_defaults(act=_replay)
    mutants.add_to(commands)
    explore.add_to(commands)
    hunt.add_to(commands)
    compare.add_to(commands)
    whatif.add_to(commands)
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def _range(text: str) -> range:
    first, dots, last = text.partition("..")
    if not dots:
        raise argparse.ArgumentTypeError("expected A..B, for example 0..199")
    return range(int(first), int(last) + 1)


def _run(arguments: argparse.Namespace) -> int:
    scenario = load(arguments.scenario)
    recorder = Recorder(scenario) if arguments.out is not None else None
    hooks = recorder.hooks if recorder is not None else Hooks()
    began = time.perf_counter()
    world, result = run_seed(scenario, arguments.seed, keep=arguments.keep, hooks=hooks)
    _tell(world, result, time.perf_counter() - began)
    keep = arguments.keep
    as_expected = result.verdict == scenario.expect
    if result.violations and not as_expected and not arguments.no_shrink:
        end_ns = result.violations[0].at_ns
        numbers = [each.number for each in world.injections if each.at_ns <= end_ns]
        keep = shrink(scenario, result, numbers, print)
        print(f"smallest set of faults found: {len(keep)} of {len(numbers)}")
        for injection in world.injections:
            if injection.number in keep:
                print(f"  {injection.number}: {injection.told()}")
    command = _command(arguments.scenario, arguments.seed, keep)
    if not as_expected:
        print(f"repeat: {command}")
    if recorder is not None:
        folders.write(arguments.out, arguments.scenario, world, result, arguments.keep, command)
        recorder.write(arguments.out)
        print(f"report: {report.write(arguments.out)}")
    return 0 if as_expected else FAILED


def _tell(world: World, result: Result, took_s: float) -> None:
    metrics = result.metrics
    print(f"{result.scenario} seed {result.seed}: {result.verdict}, digest {result.digest}")
    print(
        f"{metrics['simulated_s']:.0f} s simulated in {took_s:.2f} s, {metrics['events']} events, "
        f"{metrics['messages']} messages, {metrics['injections']} faults, "
        f"{metrics['spans']} leases in use"
    )
    for violation in result.violations:
        _tell_violation(violation)


def _tell_violation(violation: Violation) -> None:
    print(
        f"  at {violation.at_ns / 1e9:.3f} s invariant {violation.invariant} "
        f"({violation.checker}): {violation.story}"
    )


def _command(path: Path, seed: int, keep: list[int] | None) -> str:
    kept = "" if keep is None else f" --keep {','.join(map(str, keep)) or ','}"
    return f"nexus-sim run {path} --seed {seed}{kept}"


def _sweep(arguments: argparse.Namespace) -> int:
    load(arguments.scenario)
    seeds = arguments.seeds
    failed: list[Summary] = []
    simulated_s = 0.0
    began = time.perf_counter()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(arguments.scenario.stem, total=len(seeds))
        for summary in _summaries(arguments):
            progress.advance(task)
            simulated_s += summary.metrics["simulated_s"]
            if not summary.expected:
                failed.append(summary)
                if not arguments.collect:
                    break
    took_s = time.perf_counter() - began
    for summary in sorted(failed, key=lambda each: each.seed):
        print(f"seed {summary.seed}: {summary.verdict}")
        for violation in summary.violations[:1]:
            _tell_violation(violation)
        print(f"  repeat: {_command(arguments.scenario, summary.seed, None)}")
    print(
        f"{len(seeds)} seeds, {len(failed)} not as expected, {simulated_s:.0f} s simulated "
        f"in {took_s:.1f} s"
    )
    return FAILED if failed else 0


def _summaries(arguments: argparse.Namespace) -> Iterator[Summary]:
    """Seeds as they are done, by the engine that was asked for."""
    if arguments.engine == "dask":
        return dask_engine.sweep(
            arguments.scenario, arguments.seeds, arguments.jobs, arguments.scheduler
        )
    return sweep(arguments.scenario, arguments.seeds, arguments.jobs)


def _replay(arguments: argparse.Namespace) -> int:
    path, before = folders.read(arguments.folder)
    scenario = load(path)
    world, result = run_seed(scenario, before.seed, keep=before.keep)
    _tell(world, result, 0.0)
    if result.digest != before.digest:
        print(f"another digest than {before.digest}: the code or the scenario has changed")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
