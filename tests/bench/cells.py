"""Cells of a benchmark: sampled in random order, several times each, the median counts.

A sample beside noisy neighbours is thrown away and taken again, a bounded number of times; when
the neighbours never rest, the quietest samples are kept and the cell is marked.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.bench.machine import Neighbours

FOREIGN_CORES_MAX = 0.4
"""Above this a sample counts as disturbed."""
RETRIES_MAX = 4
PAUSE_S = 1.0


@dataclass
class Cell:
    """One number: how it is measured, and what was measured."""

    name: str
    unit: str
    sample: Callable[[], float]
    pids: Callable[[], Sequence[int]] = tuple
    """Processes of ours that burn CPU in it."""
    samples: list[tuple[float, float]] = field(default_factory=list)
    """Value and the neighbours' cores meanwhile."""
    retries_max: int = RETRIES_MAX

    @property
    def noisy(self) -> bool:
        """Whether a kept sample was taken beside busy neighbours."""
        return any(cores > FOREIGN_CORES_MAX for _, cores in self.samples)

    @property
    def median(self) -> float:
        """The number."""
        return statistics.median(value for value, _ in self.samples)

    @property
    def spread(self) -> float:
        """Largest sample over smallest."""
        values = [value for value, _ in self.samples]
        return max(values) / min(values) if min(values) else float("inf")


def run(cells: Sequence[Cell], rounds: int, rng: Random) -> None:
    """Sample every cell ``rounds`` times, interleaved."""
    for round_index in range(rounds):
        order = list(cells)
        rng.shuffle(order)
        for cell in order:
            value, cores = _quiet_sample(cell)
            cell.samples.append((value, cores))
            mark = " (neighbours)" if cores > FOREIGN_CORES_MAX else ""
            print(
                f"  {round_index + 1}/{rounds} {cell.name}: {value:,.4g} {cell.unit}{mark}",
                file=sys.stderr,
                flush=True,
            )


def _quiet_sample(cell: Cell) -> tuple[float, float]:
    taken: list[tuple[float, float]] = []
    for _ in range(cell.retries_max):
        neighbours = Neighbours(cell.pids())
        value = cell.sample()
        cores = neighbours.cores()
        taken.append((cores, value))
        if cores <= FOREIGN_CORES_MAX or cell.retries_max == 1:
            break
        time.sleep(PAUSE_S)
    cores, value = min(taken)
    return value, cores


@dataclass(frozen=True)
class Line:
    """One row of a table: a cell, its yardstick and what is asked of the ratio."""

    cell: Cell
    yardstick: Cell | None = None
    ask: float | None = None
    """What the ratio should reach at least; with ``at_most`` what it must not exceed."""
    at_most: bool = False

    @property
    def ratio(self) -> float | None:
        """The cell's median over its yardstick's."""
        if self.yardstick is None or not self.yardstick.median:
            return None
        return self.cell.median / self.yardstick.median

    @property
    def verdict(self) -> str:
        """``yes``, ``no`` or nothing where nothing is asked."""
        judged = self.ratio if self.yardstick is not None else self.cell.median
        if self.ask is None or judged is None:
            return ""
        reached = judged <= self.ask if self.at_most else judged >= self.ask
        return "yes" if reached else "**no**"


def table(title: str, lines: Sequence[Line], notes: Sequence[str] = ()) -> str:
    """The lines as a markdown table."""
    rows = [
        f"### {title}",
        "",
        "| what | measured | yardstick | ratio | asked | reached |",
        "|---|---:|---|---:|---:|---|",
    ]
    for line in lines:
        cell, yardstick = line.cell, line.yardstick
        mark = " (noisy)" if cell.noisy or (yardstick is not None and yardstick.noisy) else ""
        against = f"{yardstick.name}: {show(yardstick.median)}" if yardstick is not None else ""
        ratio = f"**{line.ratio:.2f}**" if line.ratio is not None else ""
        asked = "" if line.ask is None else f"{'<=' if line.at_most else '>='} {show(line.ask)}"
        rows.append(
            f"| {cell.name} | {show(cell.median)} {cell.unit}{mark} | {against} | {ratio} "
            f"| {asked} | {line.verdict} |"
        )
    return "\n".join([*rows, "", *notes])


def show(value: float) -> str:
    """A number for people."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"
