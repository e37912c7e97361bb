"""`nexus-sim compare`: what differs between two run folders, and where they part."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import msgspec

from simulator.record import NS, Record, read


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not the same."""

    what: str
    one: Any
    other: Any


class Comparison(msgspec.Struct, frozen=True):
    """Two runs beside each other."""

    same_digest: bool
    first: str
    """Where the journals part, for people; empty if they do not."""
    differences: tuple[Difference, ...]


def compare(one: Record, other: Record) -> Comparison:
    """Everything that two runs do not share."""
    found: list[Difference] = []

    def look(what: str, left: Any, right: Any) -> None:
        if left != right:
            found.append(Difference(what, left, right))

    for what in ("scenario", "seed", "verdict", "digest"):
        look(what, getattr(one.run, what), getattr(other.run, what))
    look("faults", list(one.run.faults), list(other.run.faults))
    flat = _flat(one.run.metrics), _flat(other.run.metrics)
    for key in sorted({**flat[0], **flat[1]}):
        look(key, flat[0].get(key), flat[1].get(key))
    look("moves of shards", _moves(one), _moves(other))
    for member in dict.fromkeys([*one.members(), *other.members()]):
        look(f"{member}: mean addresses in use", _mean(one, member), _mean(other, member))
        look(f"{member}: calls answered, %", _answered(one, member), _answered(other, member))
    same = one.run.digest == other.run.digest
    return Comparison(same, "" if same else _parting(one, other), tuple(found))


def _flat(metrics: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in metrics.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{name}": each for name, each in value.items()})
        else:
            flat[key] = value
    return flat


def _moves(record: Record) -> int:
    """How often a shard went to another member."""
    count = 0
    for line in record.owners().values():
        holders = [member for _, _, member, _, acts in sorted(line) if acts]
        count += sum(one != other for one, other in itertools.pairwise(holders))
    return count


def _mean(record: Record, member: str) -> float | None:
    counts = record.in_use().get(member)
    return round(sum(counts) / len(counts), 1) if counts else None


def _answered(record: Record, member: str) -> float | None:
    mine = [sample for sample in record.samples if sample.member == member]
    good = sum(sample.answered for sample in mine)
    bad = sum(sample.refused for sample in mine)
    return round(100 * good / (good + bad), 1) if good + bad else None


def _parting(one: Record, other: Record) -> str:
    """The first message, else the first decision, that is not the same."""
    for left, right in zip(one.messages(), other.messages(), strict=False):
        if left != right:
            return f"{_message(left)} | {_message(right)}"
    for mine, theirs in zip(one.decisions, other.decisions, strict=False):
        if mine != theirs:
            at_s = min(mine.at_ns, theirs.at_ns) / NS
            return f"{at_s:.6f} s: {mine.kind} {mine.subject} | {theirs.kind} {theirs.subject}"
    return "one journal is the beginning of the other"


def _message(line: tuple[int, str, str, str, str]) -> str:
    at_ns, what, source, target, name = line
    return f"{at_ns / NS:.6f} s: {name} from {source} to {target} {what}"


def add_to(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("compare", help="two run folders beside each other")
    parser.add_argument("folder", type=Path, nargs=2)
    parser.set_defaults(act=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    records = [read(folder) for folder in arguments.folder]
    found = compare(*records)
    write = sys.stdout.write
    if found.same_digest:
        write("the same run, to the last message\n")
        return 0
    write(f"they part at {found.first}\n")
    width = max((len(each.what) for each in found.differences), default=0)
    for each in found.differences:
        if isinstance(each.one, list):
            mine = [line for line in each.one if line not in each.other]
            theirs = [line for line in each.other if line not in each.one]
            write(f"{each.what:{width}}  {len(mine)} only here, {len(theirs)} only there\n")
            for line in mine[:5]:
                write(f"{'':{width}}    - {line}\n")
            for line in theirs[:5]:
                write(f"{'':{width}}    + {line}\n")
        else:
            write(f"{each.what:{width}}  {each.one}  ->  {each.other}\n")
    return 1
