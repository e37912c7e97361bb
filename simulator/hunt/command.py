"""`nexus-sim hunt`: run further seeds of everything, keep the book, say what failed."""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from simulator.hunt import ledger as books
from simulator.hunt import page, search
from simulator.hunt.ledger import Failure, Tally
from simulator.hunt.parts import Part, parts
from simulator.scenario import ScenarioError

FAILED = 1
BOOK = Path("docs/hunt.json")
PLAIN_EVERY_S = 60.0
"""Where no bar can be drawn, a line is printed this often."""
say = Console(highlight=False, markup=False, soft_wrap=True).print


def add_to(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = commands.add_parser("hunt", help="many seeds of everything, with a book kept of it")
    parser.add_argument("--seeds", type=int, default=20_000, help="so many more, at most")
    parser.add_argument("--minutes", type=float, default=60.0, help="no new seed after that")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--only", action="append", default=[], metavar="PART", help="these scenarios or mixes"
    )
    parser.add_argument("--book", type=Path, default=BOOK, help=f"the ledger; {BOOK}")
    parser.add_argument("--page", type=Path, default=page.PAGE, help=f"{page.PAGE} gets the table")
    parser.add_argument("--seed", type=int, help="run this one seed of the part given by --only")
    parser.set_defaults(act=act)


def act(arguments: argparse.Namespace) -> int:
    """Hunt; the exit status is 0 if no seed failed, in this hunt or another in the book."""
    chosen = _chosen(arguments.only)
    if arguments.seed is not None:
        return _one(chosen, arguments.seed)
    book = books.read(arguments.book)
    failed_before, seeds_before = len(book.failures), book.seeds()
    began = time.monotonic()
    try:
        _hunt(book, chosen, arguments)
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
    finally:
        books.write(arguments.book, book)
        page.write(arguments.page, book)
    for failure in book.failures[failed_before:]:
        say(f"{failure.part} seed {failure.seed}: {failure.checker} at {failure.at_s:.3f} s")
        say(f"  {failure.story}")
        say(f"  repeat: {failure.command}")
    say(
        f"{book.seeds() - seeds_before} seeds in {time.monotonic() - began:.0f} s, "
        f"{len(book.failures) - failed_before} failed; "
        f"in the book: {book.seeds()} seeds, {book.failed()} failed ({arguments.book})"
    )
    return FAILED if book.failed() else 0


def _chosen(names: list[str]) -> list[Part]:
    every = parts()
    for name in names:
        if name not in every:
            raise ScenarioError(f"no part {name!r} of the hunt, accepted: {', '.join(every)}")
    return [part for name, part in every.items() if not names or name in names]


def _one(chosen: list[Part], seed: int) -> int:
    if len(chosen) != 1:
        raise ScenarioError("--seed wants exactly one part: add --only PART")
    part = chosen[0]
    _, result = part.run(seed)
    say(f"{part.name} seed {seed}: {result.verdict}, digest {result.digest}")
    for violation in result.violations:
        say(f"  at {violation.at_ns / 1e9:.3f} s {violation.checker}: {violation.story}")
    return 0 if result.verdict == part.scenario().expect else FAILED


def commit() -> str:
    """The commit that runs; with a plus if the code differs from it."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD").strip()
        changed = _git("status", "--porcelain", "--", "nexus", "simulator", "scenarios").strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{name}+" if changed else name


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), capture_output=True, text=True, check=True)
    return done.stdout


def _hunt(book: books.Ledger, chosen: list[Part], arguments: argparse.Namespace) -> None:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    run = failed = 0
    last_said = time.monotonic()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("seeds, 0 failed", total=arguments.seeds)

        def tell(tally: Tally, failures: list[Failure]) -> None:
            nonlocal run, failed, last_said
            run += 1
            failed += len(failures)
            progress.update(task, advance=1, description=f"seeds, {failed} failed")
            for each in failures:
                progress.console.print(f"{each.checker}: {each.command}", markup=False)
            if not console.is_terminal and time.monotonic() - last_said > PLAIN_EVERY_S:
                last_said = time.monotonic()
                say(f"{run} of {arguments.seeds} seeds, {failed} failed")

        search.hunt(
            book,
            chosen,
            commit(),
            seeds=arguments.seeds,
            limit_s=arguments.minutes * 60,
            jobs=max(1, arguments.jobs),
            keep=lambda each: books.write(arguments.book, each),
            tell=tell,
        )
