"""The walk through small worlds: closes, folds, finds what is broken, can be put down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulator.explore import keeping
from simulator.explore.keeping import StateError, memory_bytes, resume, save
from simulator.explore.mutants import MUTANTS
from simulator.explore.search import Search
from simulator.explore.steps import World
from simulator.explore.story import story_of
from simulator.explore.worlds import WORLDS

TINY = msgspec.structs.replace(WORLDS["first-grant"], name="tiny", crashes=0, runs=1, fires={})
QUICK = ("r3-timer", "r5-timer", "r5-receipt", "r5-majority", "r10-guard")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["lone", "lone-release", "first-grant", "second-try"])
def test_closes_a_world_and_breaks_nothing_in_it(name):
    report = Search(WORLDS[name]).run(120)
    assert report.verdict == "closed"
    assert report.frontier == 0
    assert report.worlds > 50


def test_closes_a_world_of_three_voters_and_two_owners():
    report = Search(WORLDS["two-candidates"]).run(300)
    assert report.verdict == "closed"
    assert report.worlds > 10_000


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
    apart.store.clear()
    apart.frontier.clear()
    apart._meet(apart.first, -1, ("begin",), 0)
    worlds = folded.run(60).worlds
    assert worlds < apart.run(60).worlds < 2 * worlds


def _plainly(search: Search) -> set[tuple[int, ...]]:
    """Members' states that a walk without any saving reaches: every world, every message once."""
    search.settling = False
    seen = {search.bare}
    todo = [search.bare]
    while todo:
        world = todo.pop()
        steps: list[Any] = [after for _, after in search.next(world)]
        at = range(len(world.nodes))
        adding = [search._inbox(world.nodes[i], world.net, i).adding for i in at]
        bits = [bit for each in adding for bit in each if bit & world.net]
        steps += [search.apply(world, ("message", bit.bit_length() - 1)) for bit in bits]
        for after in steps:
            if isinstance(after, World) and after not in seen:
                seen.add(after)
                todo.append(after)
    return {world.nodes for world in seen}


def test_the_savings_lose_no_state_of_the_members():
    small = msgspec.structs.replace(TINY, voters=("a", "b"), owners=("a", "b"), runs=2)
    saving = Search(small)
    saving.renamings = saving.renamings[:1]
    assert saving.run(60).verdict == "closed"
    plain = Search(small)
    plain.renamings = plain.renamings[:1]
    reached = {
        tuple(plain.locals.states[number].classes[0] for number in nodes)
        for nodes in _plainly(plain)
    }
    assert len(reached) == len(saving.store)
    assert len(reached) > 20


def test_a_world_that_another_can_do_all_of_is_not_walked():
    search = Search(TINY)
    world = search.first
    before = search.worlds
    search._meet(world._replace(left=tuple(max(0, n - 1) for n in world.left)), 0, ("less",), 1)
    assert search.worlds == before
    search._meet(world._replace(left=tuple(n + 1 for n in world.left)), 0, ("more",), 1)
    assert search.worlds == before + 1
    assert search.covered[0]


def test_an_open_world_says_so():
    report = Search(WORLDS["record"]).run(0.2)
    assert report.verdict == "open"
    assert report.stopped == "time"
    assert report.frontier > 0


def test_is_put_down_and_taken_up(tmp_path, monkeypatch):
    whole = Search(TINY).run(60)
    search = Search(TINY)
    looks = iter(("", "enough"))
    monkeypatch.setattr("simulator.explore.search.LOOK_EVERY", 20)
    stopped = search.run(60, lambda _: next(looks))
    assert (stopped.verdict, stopped.stopped) == ("open", "enough")
    path = tmp_path / "tiny.walk"
    save(search, path)
    again = resume(path, TINY).run(60)
    assert (again.verdict, again.worlds, again.steps) == ("closed", whole.worlds, whole.steps)
    with pytest.raises(StateError, match="another world"):
        resume(path, WORLDS["lone"])
    monkeypatch.setattr(keeping, "sources", lambda: "changed")
    with pytest.raises(StateError, match="another core"):
        resume(path, TINY)


def _explore(*arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", "explore", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_survives_being_killed_between_two_checkpoints(tmp_path):
    whole = Search(WORLDS["two-candidates"]).run(300)
    folder = ("--state", str(tmp_path), "--seconds", "300")
    with _explore("two-candidates", *folder, "--checkpoint", "0.5") as killed:
        kept = tmp_path / "two-candidates.walk"
        until = time.monotonic() + 60
        while not kept.exists() and time.monotonic() < until:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
    assert kept.exists()
    with _explore("two-candidates", *folder) as again:
        told, _ = again.communicate(timeout=300)
    assert f"closed, {whole.worlds:,} worlds" in told
    assert f"{whole.steps:,} steps" in told


def test_stops_at_its_memory_with_a_clear_end(tmp_path):
    assert memory_bytes() > 10 << 20
    arguments = ("--memory", "1", "--state", str(tmp_path), "--seconds", "60")
    with _explore("hold", *arguments) as walk:
        told, _ = walk.communicate(timeout=120)
    assert walk.returncode == 0
    assert "hold: open, " in told
    assert "to walk (stopped by memory)" in told
    assert (tmp_path / "hold.walk").exists()


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in QUICK], ids=lambda m: m.name)
def test_the_whole_walk_finds_a_broken_core_and_tells_how(mutant):
    with mutant:
        search = Search(WORLDS[mutant.world])
        report = search.run(300)
        assert report.verdict == "violation"
        assert report.found is not None
        story = story_of(search, report.found)
    assert "at once" in story.ending
    assert len(story.lines) < 40


def test_every_mutant_puts_back_what_it_replaced():
    for mutant in MUTANTS:
        before = mutant._place.__dict__[mutant._function]
        with mutant:
            assert mutant._place.__dict__[mutant._function] is not before
        assert mutant._place.__dict__[mutant._function] is before
