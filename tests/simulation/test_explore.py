"""The walk through small worlds: closes, folds, finds what is broken, can be put down."""

from __future__ import annotations

import msgspec
import pytest

from simulator.explore.hunt import hunt
from simulator.explore.mutants import MUTANTS
from simulator.explore.search import Search
from simulator.explore.worlds import WORLDS

TINY = msgspec.structs.replace(WORLDS["first-grant"], name="tiny", crashes=0, runs=1, fires={})
QUICK = ("r3-timer", "r5-timer", "r5-receipt", "r5-majority", "r8c-base", "r10-guard")


def test_closes_a_world_and_breaks_nothing_in_it():
    report = Search(WORLDS["lone-release"]).run(60)
    assert report.verdict == "closed"
    assert report.frontier == 0
    assert report.worlds > 500


def test_is_the_same_walk_every_time():
    reports = [Search(TINY).run(60) for _ in range(2)]
    assert [r.verdict for r in reports] == ["closed", "closed"]
    assert reports[0].worlds == reports[1].worlds
    assert reports[0].steps == reports[1].steps


def test_folds_members_that_are_alike():
    folded = Search(TINY)
    assert len(folded.renamings) == 2
    apart = Search(TINY)
    apart.renamings = apart.renamings[:1]
    apart.seen.clear()
    apart.frontier.clear()
    apart._meet(apart.first, -1, ("begin",))
    worlds = folded.run(60).worlds
    assert worlds < apart.run(60).worlds < 2 * worlds


def test_an_open_world_says_so():
    report = Search(WORLDS["hold"]).run(0.2)
    assert report.verdict == "open"
    assert report.frontier > 0


def test_is_put_down_and_taken_up(tmp_path):
    whole = Search(TINY).run(60)
    search = Search(TINY)
    for _ in range(40):
        world, number = search.frontier.popleft()
        for action, after in search.next(world):
            search.steps += 1
            search._meet(after, number, action)
    path = tmp_path / "tiny.walk"
    search.save(path)
    again = Search.resume(path, TINY).run(60)
    assert (again.verdict, again.worlds, again.steps) == ("closed", whole.worlds, whole.steps)
    with pytest.raises(ValueError, match="another world"):
        Search.resume(path, WORLDS["lone"])


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in QUICK], ids=lambda m: m.name)
def test_finds_a_broken_core(mutant):
    with mutant:
        report = hunt(Search(WORLDS[mutant.world]), 60)
    assert report.verdict == "violation"
    assert report.found is not None
    assert "at once" in report.found.story


def test_the_intact_core_survives_the_same_hunt():
    for world in ("hold", "takeover"):
        assert hunt(Search(WORLDS[world]), 2).found is None


def test_every_mutant_puts_back_what_it_replaced():
    for mutant in MUTANTS:
        before = mutant._place.__dict__[mutant._function]
        with mutant:
            assert mutant._place.__dict__[mutant._function] is not before
        assert mutant._place.__dict__[mutant._function] is before
