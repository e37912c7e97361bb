"""Every fault does what it says, is off unless asked for, and leaves a world that heals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulator.api import run_seed
from simulator.faults import FAULTS
from simulator.scenario import Scenario, parse
from simulator.world import World, build

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def scenario(*faults: dict[str, Any]) -> Scenario:
    """Three cores and two edges for two minutes, with these faults."""
    return parse(
        {
            "question": "?",
            "duration_s": 120,
            "calm_s": 60,
            "topology": {"kind": "hubs", "cores": 3, "edges": 2},
            "cluster": {"edge_horizon_s": 60, "offline_after_s": 10},
            "pools": [{"id": "p1", "cidr": "10.0.0.0/26", "sharding_factor": 8, "cooldown": 10}],
            "workloads": [{"kind": "steady", "pool": "p1", "subscribers": 10, "ttl_s": 60}],
            "faults": list(faults),
        },
        "made",
    )


def events(world: World, kind: str) -> list[Any]:
    return [each for each in world.journal.decisions if each.kind == kind]


def test_nothing_goes_wrong_by_itself() -> None:
    world, result = run_seed(scenario(), 1)
    assert result.verdict == "pass", result.violations
    assert not events(world, "fault")
    assert {each.detail["what"] for each in events(world, "process")} == {"started"}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_begins_and_ends(kind: str) -> None:
    world = build(scenario({"kind": kind, "at_s": [20, 60], "for_s": [5, 5]}), 2)
    assert len(world.injections) == 2
    world.schedule()
    world.enter("safety", 120)
    told = events(world, "fault")
    if not world.violations:
        assert [each.detail["begins"] for each in told].count(True) == 2
        assert [each.detail["begins"] for each in told].count(False) == 2


@pytest.mark.parametrize("kind", FAULTS)
def test_plans_are_drawn_before_the_run_and_each_for_itself(kind: str) -> None:
    both = scenario({"kind": kind, "count": 3}, {"kind": "pause", "count": 2})
    alone = scenario({"kind": kind, "count": 3})
    planned = build(both, 5).injections
    assert [each.told() for each in planned[:3]] == [
        each.told() for each in build(alone, 5).injections
    ]
    assert [each.number for each in build(both, 5, keep=[1, 4]).injections] == [1, 4]
    assert planned[1].told() == build(both, 5, keep=[1, 4]).injections[0].told()
    msgspec.json.encode([each.aim for each in planned])


def dead_after(world: World, name: str) -> bool:
    return world.machines[name].process is None


def begin(world: World, kind: str, aim: dict[str, Any]) -> Any:
    """Let one fault happen now."""
    return FAULTS[kind]().begin(world, aim)


@pytest.fixture
def world() -> World:
    made = build(scenario(), 3)
    made.schedule()
    made.enter("safety", 30)
    return made


def test_a_crash_kills_and_a_later_start_finds_the_disk(world: World) -> None:
    aim = {"node": "core-1", "survive": 0, "torn": True, "mid_step": -1}
    begin(world, "crash", aim)
    assert dead_after(world, "core-1")
    sessions = world.machines["core-1"].identity.session
    FAULTS["crash"]().end(world, aim, None)
    machine = world.machines["core-1"]
    assert machine.process is not None
    assert machine.identity.session == sessions + 1
    assert machine.process.node.book.by_id


def test_a_paused_process_says_nothing_until_it_goes_on(world: World) -> None:
    machine = world.machines["core-2"]
    machine.pause()
    before = world.events_count
    handled: list[str] = []
    world.hooks.on_event = lambda _world, each, _event, _effects: handled.append(each.name)
    world.enter("safety", 45)
    assert world.events_count > before
    assert "core-2" not in handled
    machine.resume()
    assert handled.count("core-2") > 10, "what came meanwhile is handled when it goes on"


def test_effects_after_the_chosen_one_leave_when_the_process_goes_on(world: World) -> None:
    machine = world.machines["core-1"]
    machine.pause(after_effects=1)
    world.enter("safety", 40)
    assert machine.process is not None
    assert not machine.process.gate.open
    assert machine.process.gate._waiting_out or machine.process.gate._waiting_in
    machine.resume()
    assert machine.process.gate.open
    assert not machine.process.gate._waiting_out


def test_a_suspended_machine_loses_monotonic_time_only(world: World) -> None:
    machine = world.machines["edge-1"]
    before = machine.clock.peek()
    machine.suspend()
    world.enter("safety", 50)
    after = machine.clock.peek()
    assert after.mono_ns == before.mono_ns
    assert after.boot_ns - before.boot_ns > 19_000_000_000
    machine.wake()
    world.enter("safety", 60)
    assert machine.clock.peek().mono_ns > after.mono_ns


def test_a_full_disk_fails_the_store_and_a_restart_mends_it(world: World) -> None:
    machine = world.machines["core-3"]
    begin(world, "disk_full", {"node": "core-3"})
    world.enter("safety", 60)
    assert machine.process is not None
    assert machine.process.store.failed is not None
    FAULTS["disk_full"]().end(world, {"node": "core-3"}, None)
    assert machine.process.store.failed is None


def test_a_rotten_row_keeps_the_process_from_starting(world: World) -> None:
    begin(world, "bit_flip", {"node": "core-1", "at": 0.5})
    assert dead_after(world, "core-1")
    assert "checksum" in str(world.machines["core-1"].damaged)


def test_no_more_voters_are_lost_than_a_minority(world: World) -> None:
    for name in ("core-1", "core-2", "core-3"):
        begin(world, "disk_lost", {"node": name})
    assert sum(dead_after(world, name) for name in ("core-1", "core-2", "core-3")) == 1


def test_a_reboot_is_another_boot_with_clocks_from_zero(world: World) -> None:
    aim = {"node": "edge-2", "rtc_error_ms": 3_600_000, "torn": False}
    begin(world, "reboot", aim)
    world.enter("safety", 35)
    FAULTS["reboot"]().end(world, aim, None)
    machine = world.machines["edge-2"]
    assert machine.clock.peek().boot_ns == 0
    assert machine.process is not None
    assert machine.process.node.config.boot_id == "edge-2-boot-2"


def test_an_old_backup_brings_an_old_session_back(world: World) -> None:
    machine = world.machines["edge-1"]
    state = begin(world, "old_backup", {"node": "edge-1"})
    world.enter("safety", 50)
    machine.kill()
    machine.start()
    sessions = machine.identity.session
    FAULTS["old_backup"]().end(world, {"node": "edge-1"}, state)
    assert machine.identity.session == sessions, "counted from the copy, not from what was"
