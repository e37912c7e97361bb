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
    """Four cores, three of them voters, and two edges for two minutes, with these faults."""
    return parse(
        {
            "question": "?",
            "duration_s": 120,
            "calm_s": 60,
            "topology": {"kind": "hubs", "cores": 4, "edges": 2},
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


def end(world: World, kind: str, aim: dict[str, Any], state: Any) -> None:
    """Let one fault be over now."""
    FAULTS[kind]().end(world, aim, state)


def test_a_cloned_disk_runs_beside_the_frozen_one_until_one_is_left(world: World) -> None:
    aim = {"node": "edge-1"}
    frozen = world.machines["edge-1"]
    state = begin(world, "cloned_disk", aim)
    copy = world.machines["edge-1"]
    assert copy is not frozen
    assert copy.identity.incarnation == frozen.identity.incarnation, "it is the same disk's life"
    assert copy.identity.session == frozen.identity.session + 1
    world.enter("safety", 100)
    assert frozen.process is not None
    assert not frozen.process.gate.open
    end(world, "cloned_disk", aim, state)
    assert frozen.process.gate.open
    world.enter("safety", 118)
    assert frozen.process is None
    assert set(world.machines) == {*world.layout.names()}
    assert world.machines["edge-1"].process is copy.process


@pytest.mark.parametrize("callers_at", ["old", "new"])
def test_a_reused_name_is_another_life_of_the_same_member(world: World, callers_at: str) -> None:
    aim = {"node": "edge-2", "callers_at": callers_at}
    old = world.machines["edge-2"]
    state = begin(world, "reused_name", aim)
    (beside,) = set(world.machines) - {*world.layout.names()}
    both = {world.machines["edge-2"], world.machines[beside]}
    assert (world.machines["edge-2"] is old) == (callers_at == "old")
    (new,) = both - {old}
    assert new.identity.incarnation != old.identity.incarnation
    handled: list[int] = []
    world.hooks.on_event = lambda _world, each, _event, _effects: handled.append(id(each))
    world.enter("safety", 60)
    assert {id(new), id(old)} <= set(handled), "messages for the name reach both"
    end(world, "reused_name", aim, state)
    assert old.process is None
    assert world.machines["edge-2"] is new
    assert new.process is not None


def test_a_replaced_voter_votes_no_more_and_another_core_does(world: World) -> None:
    aim = {"node": "core-2"}
    state = begin(world, "voter_replaced", aim)
    assert dead_after(world, "core-2")
    world.enter("safety", 60)
    process = world.machines["core-1"].process
    assert process is not None
    configuration = process.node.ctx.configuration
    assert configuration.old == configuration.new == ("core-1", "core-3", "core-4")
    end(world, "voter_replaced", aim, state)
    assert not dead_after(world, "core-2")
    assert world.machines["core-2"].wipes == 1


def test_three_cores_have_nobody_to_vote_instead() -> None:
    raw = msgspec.structs.replace(
        scenario({"kind": "voter_replaced", "count": 3}),
        topology=parse({"question": "?", "duration_s": 1, "topology": {"cores": 3}}, "t").topology,
    )
    assert build(raw, 1).injections == []


def test_a_slow_cpu_stands_more_than_it_runs(world: World) -> None:
    machine = world.machines["core-1"]
    aim = {"node": "core-1", "stands_ms": 400, "runs_ms": 5}
    state = begin(world, "slow_cpu", aim)
    at: list[int] = []

    def note(_world: World, each: Any, _event: Any, _effects: Any) -> None:
        if each is machine:
            at.append(world.env.now_ns)

    world.hooks.on_event = note
    world.enter("safety", 50)
    assert len(at) > 50
    slots = {instant // 10_000_000 for instant in at}
    assert len(slots) <= 2 * 20_000 // 405 + 2, "it ran in a few short slots only"
    end(world, "slow_cpu", aim, state)
    assert machine.process is not None
    assert machine.process.gate.open
    assert machine.pauses == 0


def test_a_misdirected_write_keeps_the_process_from_starting(world: World) -> None:
    begin(world, "misdirected_write", {"node": "core-1", "at": 0.5})
    assert dead_after(world, "core-1")
    assert "checksum" in str(world.machines["core-1"].damaged)


def test_what_rots_while_a_machine_is_down_counts_as_lost(world: World) -> None:
    machine = world.machines["core-1"]
    machine.crash()
    begin(world, "bit_flip", {"node": "core-1", "at": 0.5})
    assert machine.damaged is not None
    assert not world.may_lose("core-2")


def test_an_older_version_refuses_the_log_of_a_newer_one(world: World) -> None:
    machine = world.machines["core-3"]
    rows = list(machine.disk.rows)
    state = begin(world, "mixed_versions", {"node": "core-3"})
    assert dead_after(world, "core-3")
    assert "EntryOfANewerVersion" in str(machine.damaged) or "decode" in str(machine.damaged)
    end(world, "mixed_versions", {"node": "core-3"}, state)
    assert machine.process is not None
    assert machine.disk.rows[: len(rows)] == rows


def test_a_resized_pool_is_half_as_large_and_then_whole_again(world: World) -> None:
    aim = {"by": "core-1", "place": 0.0}

    def size() -> int | None:
        process = world.machines["core-2"].process
        assert process is not None
        pool = process.node.book.by_id.get("p1")
        return None if pool is None else pool.geometry.size

    assert size() == 64
    state = begin(world, "resize_pool", aim)
    world.enter("safety", 50)
    assert size() == 32
    end(world, "resize_pool", aim, state)
    world.enter("safety", 70)
    assert size() == 64


def test_a_shortened_horizon_finds_the_edge_cut_off(world: World) -> None:
    aim = {"node": "edge-1", "by": "core-1", "place": 0.0}
    state = begin(world, "shorten_horizon", aim)
    world.enter("safety", 50)
    assert not world.network.reaches("edge-1", "core-1")
    there, cut_off = world.machines["core-2"].process, world.machines["edge-1"].process
    assert there is not None
    assert cut_off is not None
    assert there.node.book.by_id["p1"].spec.horizon == 30
    assert cut_off.node.book.by_id["p1"].spec.horizon is None, "it has not heard of it"
    end(world, "shorten_horizon", aim, state)
    world.enter("safety", 80)
    assert cut_off.node.book.by_id["p1"].spec.horizon == 30


def test_the_end_of_a_lie_lets_a_node_see_for_itself(world: World) -> None:
    world.machines["core-3"].lose("gone")
    world.enter("safety", 50)
    node = world.machines["core-1"].process
    assert node is not None
    assert node.node.members.status("core-3") == "expired"
    aim = {"node": "core-1", "about": "core-3", "verdict": "online"}
    begin(world, "misjudge", aim)
    end(world, "misjudge", aim, None)
    assert node.node.members.status("core-3") == "active"
    world.enter("safety", 70)
    assert node.node.members.status("core-3") == "expired"
