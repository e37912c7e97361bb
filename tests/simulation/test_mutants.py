"""The kill list: complete, harmless after use, and the core of it caught in every test run."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from nexus.ownership import holding
from simulator.mutants import MIXES, MUTANTS, Mix, Mutant, command
from simulator.mutants.base import RUNS_MAX
from simulator.mutants.hunt import hunt
from simulator.mutants.mixes import COOLING
from simulator.mutants.record import TAIL
from simulator.mutants.seeds import SEEDS

LIVENESS = {1, 13, 16, 19}
"""Rules that carry no safety."""
LETTERED = ("R8 a", "R8 b", "R8 c", "R8 d", "R15 ii", "R15 iv", "R21 a", "R21 b", "R21 c", "R21 d")
CORE = (
    "hold-from-receipt",
    "one-voter-renews",
    "restart-without-timer",
    "no-recheck-at-accept",
    "no-base",
    "long-leases-unreplicated",
)


def test_every_rule_that_carries_safety_has_a_mutant():
    ruled = {int(each.rule.split()[0][1:]) for each in MUTANTS.values()}
    assert ruled == set(range(2, 23)) - LIVENESS


@pytest.mark.parametrize("clause", LETTERED)
def test_every_lettered_clause_has_a_mutant(clause):
    assert clause in {each.rule for each in MUTANTS.values()}


def test_a_seed_is_recorded_of_mutants_that_exist():
    assert set(SEEDS) <= set(MUTANTS)
    assert all(0 <= seed < RUNS_MAX for seed in SEEDS.values())


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_another_function_and_leaves_none_behind(name):
    mutant = MUTANTS[name]
    before = [vars(place)[function] for place, function, _ in mutant.replacements]
    with mutant:
        for (place, function, wrong), intact in zip(mutant.replacements, before, strict=True):
            assert vars(place)[function] is wrong
            assert wrong is not intact
    assert [vars(place)[function] for place, function, _ in mutant.replacements] == before


def test_what_is_taken_away_beside_a_mutant_is_taken_away_in_its_control_too():
    mutant = MUTANTS["no-recheck-at-accept"]
    ((place, function, wrong),) = mutant.beside
    seen = []
    mix = Mix("seen", "nothing", COOLING.raw, lambda world: seen.append(vars(place)[function]))
    Mutant("seen", "R3", "", *mutant.replacements[0], mix, beside=mutant.beside).control(0)
    assert seen == [wrong]
    assert vars(place)[function] is not wrong


def test_what_nothing_can_catch_says_why_and_is_hunted_on_request_only():
    unhunted = [each for each in MUTANTS.values() if not each.hunted]
    assert all(each.spared and not each.beside for each in unhunted)
    for each in MUTANTS.values():
        assert bool(each.spared) >= bool(each.beside), each.name


@pytest.mark.parametrize("name", CORE)
def test_the_core_of_the_list_is_caught(name):
    catch = hunt(MUTANTS[name], runs_max=40, tell=lambda: None)
    assert not catch.failed


@pytest.mark.parametrize("name", MIXES)
def test_the_intact_protocol_passes_every_mix(name):
    for seed in range(2):
        result = MIXES[name].run(seed)
        assert not result.violations, result.violations


def test_what_breaks_nothing_is_not_caught():
    def the_same(sent, received, horizon_ns):
        return holding.FOREVER if horizon_ns is None else sent + horizon_ns

    harmless = Mutant("harmless", "R5", "nothing", holding, "r5_hold_until", the_same, COOLING)
    catch = hunt(harmless, runs_max=3, tell=lambda: None)
    assert catch.failed
    assert (catch.runs, catch.caught) == (3, 0)


def test_the_command_says_how_many_were_caught(capsys):
    parser = argparse.ArgumentParser()
    command.add_to(parser.add_subparsers())
    caught = parser.parse_args(["mutants", "--only", "no-timer-for-grants", "--runs", "3"])
    assert caught.act(caught) == 0
    assert capsys.readouterr().out.rstrip().endswith("1 mutants, 1 caught")
    spared = parser.parse_args(["mutants", "--only", "gaps-acknowledged", "--runs", "1"])
    assert spared.act(spared) == 1
    assert capsys.readouterr().out.rstrip().endswith("1 mutants, 0 caught")
    nobody = parser.parse_args(["mutants", "--only", "no such name"])
    assert nobody.act(nobody) == 2


def test_the_design_says_which_rules_carry_safety_and_by_which_mutants():
    text = Path("DESIGN.md").read_text()
    table = text[text.index("### What carries safety") : text.index("## 4. ")]
    listed: dict[int, set[str]] = {}
    for line in table.splitlines():
        found = re.match(r"\| R(\d+) \|", line)
        if found:
            listed[int(found[1])] = set(re.findall(r"`([^`]+)`", line))
    assert set(listed) == set(range(1, 23))
    for rule, names in listed.items():
        of_rule = (each for each in MUTANTS.values() if int(each.rule.split()[0][1:]) == rule)
        assert names == {each.name for each in of_rule if each.hunted}, f"R{rule}"
        assert (rule in LIVENESS) == (not names)


def test_every_rule_function_is_replaced_by_a_mutant_or_named_on_the_page():
    replaced = {function for each in MUTANTS.values() for _, function, _ in each.replacements}
    asked = set()
    for file in Path("nexus").rglob("*.py"):
        asked |= set(re.findall(r"^\s*def (r\d+[a-d]?_\w+)", file.read_text(), re.MULTILINE))
    hints = {name for name in asked if name.startswith("r1_")}
    assert {name for name in asked - replaced - hints if f"`{name}`" not in TAIL} == set()
