"""Alarms that protect nobody by themselves, but tell that something was wrong (R12, R22)."""

from __future__ import annotations

from nexus.ownership import records
from simulator.mutants import MUTANTS, corners, mixes
from simulator.mutants.base import Mutant
from simulator.mutants.wrong import always
from simulator.world import Result

SEEDS = range(4)


def raised(result: Result, action: str) -> int:
    """How often any node wrote this audit line."""
    lines = [each.detail for each in result.journal.decisions if each.kind == "audit"]
    return sum(line.get("action") == action for line in lines)


def test_what_was_served_after_a_seal_does_not_match_its_digest():
    forgets = MUTANTS["seal-not-persisted"]
    blind = Mutant(
        "blind",
        "R12",
        "",
        records,
        "r12_digest_matches",
        always,
        forgets.mix,
        also=forgets.replacements,
    )
    forgotten = [forgets.mix.run(seed, forgets) for seed in SEEDS]
    assert any(raised(result, "SEAL_MISMATCH") for result in forgotten)
    assert not any(raised(forgets.mix.run(seed, blind), "SEAL_MISMATCH") for seed in SEEDS)


def test_a_seal_that_is_kept_always_matches():
    for mix in (corners.UNDER_WAY, corners.OLD_RELEASES, mixes.DRAINS):
        for seed in SEEDS:
            assert not raised(mix.run(seed), "SEAL_MISMATCH")


def test_a_clone_is_told_of_and_nothing_else_is_taken_for_one():
    for seed in SEEDS:
        assert raised(mixes.CLONES_SOON.run(seed), "CLONE_SEEN")
        assert not raised(mixes.CUTS.run(seed), "CLONE_SEEN")
