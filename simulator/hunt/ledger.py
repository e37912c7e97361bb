"""The hunt's book: which seeds of which part were run at which commit, and what came of them.

One JSON file, written whole every few seconds and at the end, so that a hunt that was stopped
goes on with the next seeds.  Sums are kept by (part, commit): a seed means something else after
a change, so seeds of two commits are two different runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

FORMAT = 1
FAILURES_MAX = 500


class Tally(msgspec.Struct, kw_only=True):
    """Sums over the seeds of one part at one commit."""

    part: str
    commit: str
    seeds: int = 0
    first: int = 0
    last: int = -1
    passed: int = 0
    failed: int = 0
    cpu_s: float = 0.0
    simulated_s: float = 0.0
    events: int = 0
    messages: int = 0
    requests: int = 0
    told: int = 0
    """Allocations told: answers that a subscriber may install."""
    installed: int = 0
    leases: int = 0
    """Spans of use of a resource by a subscriber."""
    epochs: int = 0
    """Epochs that began to serve."""
    starts: int = 0
    """Processes started, the first time included."""
    faults: dict[str, int] = {}
    """Kind -> how many began."""

    def add(self, other: Tally) -> None:
        """Take the sums of further seeds."""
        if not self.seeds:
            self.first = other.first
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, count in other.faults.items():
            self.faults[kind] = self.faults.get(kind, 0) + count


SUMS = tuple(
    name
    for name in Tally.__struct_fields__
    if name not in ("part", "commit", "first", "last", "faults")
)


class Failure(msgspec.Struct, frozen=True):
    """A seed that did not end as expected."""

    part: str
    seed: int
    commit: str
    checker: str
    story: str
    at_s: float
    command: str


class Ledger(msgspec.Struct, kw_only=True):
    """The whole book; owned by one hunt at a time."""

    format: int = FORMAT
    tallies: list[Tally] = []
    failures: list[Failure] = []
    next_seed: dict[str, int] = {}
    """Part -> the first seed that was never handed out."""
    wall_s: float = 0.0

    def tally(self, part: str, commit: str) -> Tally:
        """The sums of one part at one commit, made if there are none."""
        for each in self.tallies:
            if (each.part, each.commit) == (part, commit):
                return each
        self.tallies.append(Tally(part=part, commit=commit))
        return self.tallies[-1]

    def take(self, tally: Tally, failures: list[Failure]) -> None:
        """One or more seeds were run."""
        self.tally(tally.part, tally.commit).add(tally)
        self.failures += failures
        del self.failures[FAILURES_MAX:]

    def seeds(self) -> int:
        """All seeds that were run."""
        return sum(each.seeds for each in self.tallies)

    def failed(self) -> int:
        """All seeds that did not end as expected."""
        return sum(each.failed for each in self.tallies)


def read(path: Path) -> Ledger:
    """The ledger of earlier hunts; an empty one if there is none."""
    if not path.exists():
        return Ledger()
    ledger = msgspec.json.decode(path.read_bytes(), type=Ledger)
    if ledger.format != FORMAT:
        raise ValueError(f"{path} is a ledger of format {ledger.format}, wanted {FORMAT}")
    return ledger


def write(path: Path, ledger: Ledger) -> None:
    """Write it whole, by another file's name, so that a kill leaves the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(ledger), indent=1) + b"\n")
    os.replace(beside, path)
