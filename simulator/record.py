"""A run folder, read: what reports, comparisons and notebooks are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from simulator import folder as folders
from simulator.folder import RunFile
from simulator.journal import Decision
from simulator.oracle import FOREVER, Span
from simulator.recorder import FILE as SAMPLES_FILE
from simulator.recorder import Sample
from simulator.scenario import Scenario, load

NS = 1_000_000_000
T = TypeVar("T")


class FaultSpan(msgspec.Struct, frozen=True):
    """One fault, from its beginning to its end."""

    number: int
    kind: str
    begin_s: float
    end_s: float
    aim: dict[str, Any]


class Record(msgspec.Struct, frozen=True):
    """Everything a folder holds."""

    folder: Path
    scenario: Scenario
    run: RunFile
    decisions: tuple[Decision, ...]
    spans: tuple[Span, ...]
    samples: tuple[Sample, ...]

    @property
    def end_s(self) -> float:
        """True time at the end of the run."""
        return float(self.run.metrics["simulated_s"])

    @property
    def passed(self) -> bool:
        """No invariant was broken."""
        return self.run.verdict == "pass"

    def members(self) -> list[str]:
        """Names of all members, cores first, as in the topology."""
        return list(dict.fromkeys(sample.member for sample in self.samples))

    def faults(self) -> list[FaultSpan]:
        """Faults as they happened."""
        begun: dict[int, Decision] = {}
        found: list[FaultSpan] = []
        for each in self.of("fault"):
            number = each.detail["number"]
            if each.detail["begins"]:
                begun[number] = each
            elif number in begun:
                found.append(_fault(begun.pop(number), each.at_ns / NS))
        found += [_fault(each, self.end_s) for each in begun.values()]
        return sorted(found, key=lambda fault: (fault.begin_s, fault.number))

    def of(self, kind: str) -> Iterator[Decision]:
        """Decisions of one kind."""
        return (each for each in self.decisions if each.kind == kind)

    def instants(self) -> list[float]:
        """When samples were taken."""
        return list(dict.fromkeys(sample.at_s for sample in self.samples))

    def in_use(self) -> dict[str, list[int]]:
        """Member -> addresses in use that it told, at each of `instants`."""
        instants = self.instants()
        counts = {member: [0] * len(instants) for member in self.members()}
        for span in self.spans:
            if span.told_by not in counts:
                continue
            begin = span.start_ns / NS
            end = self.end_s + 1 if span.end_ns >= FOREVER else span.end_ns / NS
            line = counts[span.told_by]
            for place, at in enumerate(instants):
                if begin <= at < end:
                    line[place] += 1
        return counts

    def owners(self) -> dict[str, list[tuple[float, float, str, int, bool]]]:
        """Shard -> (from, to, member, epoch, may act) in order of time."""
        instants = self.instants()
        after = dict(zip(instants, [*instants[1:], self.end_s], strict=True))
        found: dict[str, list[tuple[float, float, str, int, bool]]] = {}
        seen: dict[tuple[str, str, int, bool], int] = {}
        for sample in self.samples:
            for shard, epoch, _, left_s, _ in sample.shards:
                line = found.setdefault(shard, [])
                key = (shard, sample.member, epoch, left_s > 0)
                end_s = after[sample.at_s]
                place = seen.get(key)
                if place is not None and line[place][1] >= sample.at_s:
                    line[place] = (line[place][0], end_s, *line[place][2:])
                else:
                    seen[key] = len(line)
                    line.append((sample.at_s, end_s, sample.member, epoch, left_s > 0))
        return dict(sorted(found.items(), key=lambda item: _shard_order(item[0])))

    def messages(self) -> Iterator[tuple[int, str, str, str, str]]:
        """(true ns, sent | got | lost | cut, from, to, type), read as they are wanted."""
        path = self.folder / "messages.jsonl"
        if not path.exists():
            return
        decoder = msgspec.json.Decoder(tuple[int, str, str, str, str])
        with path.open("rb") as file:
            yield from map(decoder.decode, file)


def _fault(begin: Decision, end_s: float) -> FaultSpan:
    aim = {key: value for key, value in begin.detail.items() if key not in ("number", "begins")}
    return FaultSpan(begin.detail["number"], begin.subject, begin.at_ns / NS, end_s, aim)


def _shard_order(name: str) -> tuple[str, int]:
    pool, _, index = name.rpartition("/")
    return pool, int(index)


def read(folder: Path) -> Record:
    """A folder that `nexus-sim run --out` left."""
    path, run = folders.read(folder)
    return Record(
        folder,
        load(path),
        run,
        tuple(_lines(folder / "decisions.jsonl", Decision)),
        tuple(_lines(folder / "spans.jsonl", Span)),
        tuple(_lines(folder / SAMPLES_FILE, Sample)),
    )


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        yield from map(decoder.decode, file)
