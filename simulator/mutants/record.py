"""What is written down of a hunt: the seeds for the next one, and the list for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from simulator.mutants import MUTANTS
from simulator.mutants.hunt import Catch
from simulator.mutants.seeds import SEEDS

SEEDS_FILE = Path(__file__).with_name("seeds.py")
HEAD = """# The kill list

Every rule of the ownership protocol that carries safety, and every lettered clause of R8, R15 and
R21, has a *mutant*: one rule function replaced from outside by a wrong one (`simulator/mutants/`).
A run catches a mutant if a checker complains and the intact protocol passes the same seed of the
same mix. `nexus-sim mutants` tries the recorded seed first and then up to 500 runs;
`nexus-sim mutants --record` writes this page and the seeds.

| rule | mutant | what it does | mix | caught by | seed | runs until caught |
|---|---|---|---|---|---|---|
"""
TAIL = """
R13, R16 and R19 carry no safety: the failure detector moves placement and routing only, a heal has
nothing to resolve, and anti-entropy decides what is sent, not what counts. R1 is a hint.

"""


SPARED_HEAD = """## Rules that stand twice

Taken away alone these change nothing that a run could show, because another rule stands in for
them; they stay in the protocol as the second line. `nexus-sim mutants --only NAME` hunts them all
the same: one that is ever caught belongs into the table above.

| rule | mutant | what it does | what stands in for it |
|---|---|---|---|
"""


def seeds_file(catches: Mapping[str, Catch]) -> None:
    """Write the seeds found beside those that were known."""
    known = dict(SEEDS)
    for name, catch in catches.items():
        if catch.seed is not None:
            known[name] = catch.seed
        else:
            known.pop(name, None)
    text = SEEDS_FILE.read_text()
    head = text[: text.index("SEEDS: dict")]
    lines = [f'    "{name}": {known[name]},' for name in MUTANTS if name in known]
    body = "\n".join(lines)
    SEEDS_FILE.write_text(f"{head}SEEDS: dict[str, int] = {{\n{body}\n}}\n")


def kill_list(catches: Mapping[str, Catch]) -> str:
    """The page for people."""
    rows, spared = [], []
    for name, mutant in MUTANTS.items():
        if mutant.spared:
            spared.append(f"| {mutant.rule} | `{name}` | {mutant.breaks} | {mutant.spared} |\n")
            continue
        catch = catches.get(name)
        seed, by, runs = "-", "not run", "-"
        if catch is not None:
            by = catch.checker or "**not caught**"
            seed = "-" if catch.seed is None else str(catch.seed)
            runs = str(catch.runs if catch.seed is None else catch.seed + 1)
        rows.append(
            f"| {mutant.rule} | `{name}` | {mutant.breaks} | {mutant.mix.name} | {by} | {seed} "
            f"| {runs} |\n"
        )
    return HEAD + "".join(rows) + TAIL + SPARED_HEAD + "".join(spared)
