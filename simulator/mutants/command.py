"""`nexus-sim mutants`: every rule that carries safety, wrong on purpose, and what catches it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from simulator.mutants import MUTANTS, Mutant
from simulator.mutants.base import RUNS_MAX
from simulator.mutants.hunt import Catch, hunt_all
from simulator.mutants.record import kill_list, seeds_file

GOT_AWAY, WRONG_USE = 1, 2
DOCUMENT = Path("docs/kill_list.md")
say = Console(highlight=False, markup=False, soft_wrap=True).print


def add_to(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser("mutants", help="rules wrong on purpose: is each one caught?")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="these; part of a name will do"
    )
    parser.add_argument("--count", action="store_true", help="go on after the first catch")
    parser.add_argument("--runs", type=int, default=RUNS_MAX, help="runs of its mix for each")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--record",
        action="store_true",
        help=f"begin with seed 0 and write the seeds found; of all mutants, {DOCUMENT} too",
    )
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Hunt; the exit status is 0 if every mutant was caught."""
    chosen = [
        mutant
        for mutant in MUTANTS.values()
        if any(part in mutant.name for part in arguments.only)
        or (mutant.hunted and not arguments.only)
    ]
    if not chosen:
        say(f"no mutant is called {', '.join(arguments.only)}; there are {', '.join(MUTANTS)}")
        return WRONG_USE
    began = time.perf_counter()
    catches = _hunt(chosen, arguments)
    took_s = time.perf_counter() - began
    _tell(chosen, catches)
    caught = sum(not each.failed for each in catches.values())
    if arguments.record and not arguments.only:
        DOCUMENT.write_text(kill_list(catches))
    for each in catches.values():
        for seed in each.holes:
            mutant = MUTANTS[each.name]
            who = "what stands in for it" if mutant.beside else "the intact protocol"
            say(f"{each.name}: {who} fails too: mix {mutant.mix.name!r}, seed {seed}")
    say(f"{sum(each.runs for each in catches.values())} runs in {took_s:.0f} s")
    say(f"{len(catches)} mutants, {caught} caught")
    return 0 if caught == len(catches) else GOT_AWAY


def _hunt(chosen: Sequence[Mutant], arguments: argparse.Namespace) -> dict[str, Catch]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    found: dict[str, Catch] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("mutants", total=len(chosen))
        for catch in hunt_all(
            chosen,
            count=arguments.count,
            fresh=arguments.record,
            runs_max=arguments.runs,
            jobs=arguments.jobs,
        ):
            found[catch.name] = catch
            if arguments.record:
                seeds_file({catch.name: catch})  # a hunt that is broken off keeps what it found
            progress.advance(task)
            progress.update(task, description=f"mutants ({catch.name})")
    return {mutant.name: found[mutant.name] for mutant in chosen}


def _tell(chosen: Sequence[Mutant], catches: dict[str, Catch]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("rule", "mutant", "mix", "caught by", "seed", "caught/runs"):
        table.add_column(heading, no_wrap=True)
    for mutant in chosen:
        catch = catches[mutant.name]
        seed = "-" if catch.seed is None else str(catch.seed)
        caught_by = catch.checker or "NOT CAUGHT"
        share = f"{catch.caught}/{catch.runs}"
        table.add_row(mutant.rule, mutant.name, mutant.mix.name, caught_by, seed, share)
    Console(width=130).print(table)
