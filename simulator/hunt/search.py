"""Seed after seed in as many processes, by shares, until a number of seeds or a time is reached."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator

from simulator import workers
from simulator.hunt import work
from simulator.hunt.ledger import Failure, Ledger, Tally
from simulator.hunt.parts import Part

TASKS_PER_PROCESS = 400
"""A bound on what worlds may leave behind; a process costs half a second to begin."""
AHEAD = 3
"""Seeds handed out per process before the first is back."""
WRITE_EVERY_S = 5.0
QUIET_S_MAX = 2 * work.SEED_CPU_S_MAX + 600
"""No seed is done for so long: a worker process was killed, and its seed with it."""

Done = tuple[Tally, list[Failure]]


def order(parts: list[Part], next_seed: dict[str, int]) -> Iterator[tuple[str, int]]:
    """(part, seed) without end: always of the part that is furthest behind its share."""
    given = {part.name: 0 for part in parts}
    while True:
        part = min(parts, key=lambda each: (given[each.name] + 1) / each.share)
        given[part.name] += 1
        seed = next_seed.get(part.name, 0)
        next_seed[part.name] = seed + 1
        yield part.name, seed


def hunt(
    book: Ledger,
    chosen: list[Part],
    commit: str,
    *,
    seeds: int,
    limit_s: float,
    jobs: int,
    keep: Callable[[Ledger], None],
    tell: Callable[[Tally, list[Failure]], None],
) -> None:
    """Run further seeds and enter them into the book.

    Parameters
    ----------
    seeds : so many more, at most.
    limit_s : of wall-clock time; seeds under way then are finished and counted.
    keep : writes the book; called every few seconds and at the end.
    tell : hears of each seed that is done.
    """
    began = last_kept = time.monotonic()
    wall_before = book.wall_s
    handed: dict[str, int] = dict(book.next_seed)
    tasks = order(chosen, handed)
    done: queue.SimpleQueue[Done | BaseException] = queue.SimpleQueue()
    under_way = given = 0
    with workers.pool(jobs, TASKS_PER_PROCESS) as pool:
        while True:
            in_time = time.monotonic() - began < limit_s
            while in_time and given < seeds and under_way < jobs * AHEAD:
                name, seed = next(tasks)
                pool.apply_async(
                    work.seed, ((name, seed, commit),), callback=done.put, error_callback=done.put
                )
                given += 1
                under_way += 1
            if not under_way:
                break
            came = done.get(timeout=QUIET_S_MAX)
            under_way -= 1
            if isinstance(came, BaseException):
                raise came
            tally, failures = came
            book.take(tally, failures)
            # Only what came back: a hunt that is killed runs again what was under way.
            after = tally.last + 1
            book.next_seed[tally.part] = max(book.next_seed.get(tally.part, 0), after)
            tell(tally, failures)
            now = time.monotonic()
            book.wall_s = wall_before + now - began
            if now - last_kept > WRITE_EVERY_S:
                keep(book)
                last_kept = now
    keep(book)
