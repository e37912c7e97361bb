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
R21, has *mutants*: one rule function each, replaced from outside by a wrong one
(`simulator/mutants/`). A run catches a mutant if a checker complains and the same seed of the same
mix passes with the rule intact. A mix is a small world with its faults or its script; no checker
knows of any mutant. "Runs" are those from seed 0 to the first catch; `nexus-sim mutants` tries that
seed first, and up to 500 if the world has changed since. `nexus-sim mutants --record` writes this
page and the seeds.

"""
TABLE = """| rule | mutant | what it does | mix | caught by | seed | runs |
|---|---|---|---|---|---|---|
"""
TWICE_HEAD = """
## Rules that stand twice

Taken away alone these change nothing that a run could show, because another rule stands in for
them. They are caught with that other rule taken away *in both runs*: what the checker then
complains of is the lack of this one.

| rule | mutant | what it does | what stands in for it | mix | caught by | seed | runs |
|---|---|---|---|---|---|---|---|
"""
SPARED_HEAD = """
## Not on the list

These were hunted and never caught, and the reason is known; they stay in the code as a second line
and here as an admission. `nexus-sim mutants --only NAME` hunts them all the same: one that is ever
caught belongs into a table above.

| rule | mutant | what it does | why nothing shows it |
|---|---|---|---|
"""
TAIL = """
R13, R16 and R19 carry no safety: the failure detector moves placement and routing only, a heal has
nothing to resolve, and anti-entropy decides what is sent, not what counts. R1 is a hint.

Rule functions without a mutant of their own:

- Nothing is lost without them but time, or an alarm: `r3_at_prepare` and `r3_wait_ns` (R3 is asked
  again at accept), `r2_distinct` (counts refusals), `r12_released` (when an owner forgets a grant
  that it has sealed), `r15_disk_lost` (a permission to be quicker), `r12_digest_matches` and
  `r22_clone` (alarms, see `tests/simulation/test_alarms.py`).
- Another function of the same rule has one: `r4_may_serve` and `r5_holds` (the hold is 0 before,
  `serves-unrenewed`), `r7_may_change` (the hold is asked again before anything is said, R9),
  `r15_doubtful` (asks `r15_may_confirm`), `r5_offline_horizon` and `r5_witnessed_step`
  (`unwitnessed` bounds both), `r8c_base` (writes what `r8c_union` and `r8c_carried` have chosen),
  `r21d_known` (`second-life-votes`), `r5_majority` (all quorums count by it), `r5_slow_step`
  (`waiter-by-fast-clock`), `r12_digest` and `r12_digest_of` (what the alarm compares), `r20_age`
  (what `r20_elder` asks), `r11_most_elapsed` (`hold-begins-anew` ignores all of it).
- The told ends only serve, reuse goes by the slow clock: `r11_told_elapsed`.
"""


def seeds_file(catches: Mapping[str, Catch]) -> None:
    """Write the seeds found beside those that were known."""
    for name, catch in catches.items():
        if catch.seed is not None:
            SEEDS[name] = catch.seed
        else:
            SEEDS.pop(name, None)
    text = SEEDS_FILE.read_text()
    head = text[: text.index("SEEDS: dict")]
    lines = [f'    "{name}": {SEEDS[name]},' for name in MUTANTS if name in SEEDS]
    body = "\n".join(lines)
    SEEDS_FILE.write_text(f"{head}SEEDS: dict[str, int] = {{\n{body}\n}}\n")


def kill_list(catches: Mapping[str, Catch]) -> str:
    """The page for people."""
    rows, twice, spared = [], [], []
    for name, mutant in MUTANTS.items():
        begin = f"| {mutant.rule} | `{name}` | {mutant.breaks} |"
        if not mutant.hunted:
            spared.append(f"{begin} {mutant.spared} |\n")
            continue
        figures = f"{mutant.mix.name} | {_figures(catches.get(name))} |\n"
        if mutant.beside:
            twice.append(f"{begin} {mutant.spared} | {figures}")
        else:
            rows.append(f"{begin} {figures}")
    caught = sum(not each.failed for each in catches.values())
    total = f"\n{len(catches)} mutants, {caught} caught.\n"
    parts = (HEAD, TABLE, *rows, TWICE_HEAD, *twice, total, SPARED_HEAD, *spared, TAIL)
    return "".join(parts)


def _figures(catch: Catch | None) -> str:
    if catch is None:
        return "not run | - | -"
    if catch.seed is None:
        return f"**not caught** | - | {catch.runs}"
    return f"{catch.checker} | {catch.seed} | {catch.runs}"
