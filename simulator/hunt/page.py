"""docs/hunt.md: what was hunted through, in figures, and what was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulator.hunt.ledger import Ledger, Tally
from simulator.hunt.parts import MIX

PAGE = Path("docs/hunt.md")
BEGIN, END = "<!-- begin: hunt -->", "<!-- end: hunt -->"
HEADS = (
    "scenario",
    "seeds",
    "failed",
    "CPU s a seed",
    "simulated days",
    "faults",
    "epochs served",
    "process starts",
    "requests",
    "allocations told",
    "leases used",
)
STORY_MAX = 160
DAY_S = 86_400


def write(path: Path, ledger: Ledger) -> None:
    """Put the figures in place of the earlier ones; all around them is written by hand."""
    text = path.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    part = f"{BEGIN}\n{figures(ledger)}\n{END}"
    text, count = pattern.subn(lambda _: part, text)
    if count != 1:
        raise ValueError(f"{path} has {count} places for the hunt's figures, wanted 1")
    path.write_text(text)


def figures(ledger: Ledger) -> str:
    """All tables."""
    if not ledger.tallies:
        return "Nothing was run yet."
    commits = list(dict.fromkeys(each.commit for each in ledger.tallies))
    pieces = [
        _one_commit(commit, [each for each in ledger.tallies if each.commit == commit])
        for commit in reversed(commits)
    ]
    return "\n\n".join((_all_of_them(ledger, commits), *pieces, _failures(ledger)))


def _all_of_them(ledger: Ledger, commits: Sequence[str]) -> str:
    sums = _sum("all", ledger.tallies)
    return (
        f"{_number(sums.seeds)} seeds at {len(commits)} commit{'s' * (len(commits) > 1)}, "
        f"{_number(sums.failed)} not as expected; {sums.cpu_s / 3600:.1f} hours of CPU time in "
        f"{ledger.wall_s / 3600:.1f} hours, {sums.simulated_s / DAY_S:.1f} days simulated."
    )


def _one_commit(commit: str, tallies: list[Tally]) -> str:
    mixes = [each for each in tallies if each.part.startswith(MIX)]
    rows = [each for each in tallies if not each.part.startswith(MIX)]
    rows.sort(key=lambda each: (-each.seeds, each.part))
    if mixes:
        rows.append(_sum(f"{len(mixes)} aimed mixes", mixes))
    total = _sum("together", tallies)
    table = _table(HEADS, [_row(each) for each in (*rows, total)])
    kinds = sorted(total.faults.items(), key=lambda each: (-each[1], each[0]))
    faults = ", ".join(f"{kind} {_number(count)}" for kind, count in kinds)
    return f"### At {commit}\n\n{table}\n\nFaults that began: {faults or 'none'}."


def _sum(name: str, tallies: Iterable[Tally]) -> Tally:
    total = Tally(part=name, commit="")
    for each in tallies:
        total.add(each)
    return total


def _row(tally: Tally) -> list[str]:
    return [
        tally.part,
        _number(tally.seeds),
        _number(tally.failed),
        f"{tally.cpu_s / max(1, tally.seeds):.2f}",
        f"{tally.simulated_s / DAY_S:.1f}",
        _number(sum(tally.faults.values())),
        _number(tally.epochs),
        _number(tally.starts),
        _number(tally.requests),
        _number(tally.told),
        _number(tally.leases),
    ]


def _failures(ledger: Ledger) -> str:
    if not ledger.failures:
        return "No seed failed."
    rows = [
        (
            f"`{each.command}`",
            each.commit,
            each.checker,
            f"{each.at_s:.1f}",
            each.story[:STORY_MAX],
        )
        for each in ledger.failures
    ]
    return "### Seeds that failed\n\n" + _table(
        ("repeat", "commit", "checker", "at s", "story"), rows
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _number(count: int) -> str:
    return f"{count:,}"
