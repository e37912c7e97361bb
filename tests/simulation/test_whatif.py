"""What-if: the rules applied lease by lease, and a real daemon read over HTTP."""

from __future__ import annotations

import json

import pytest

from nexus.model.time import NS_PER_S
from nexus.resources import geometry, pool_spec_from
from simulator import __main__ as command
from simulator.live import Live, LiveError, LiveLease, LiveMember, LivePool, LiveShard, fetch
from simulator.scenario import load
from simulator.whatif import ENDS, FOREVER, KEEPS, MOVES, answer, duration_s, scenario_text
from simulator.world import build, run
from tests.support.daemon import Daemon

MEMBERS = (
    *(LiveMember(f"core-{n}", "core") for n in (1, 2, 3)),
    LiveMember("olt-a", "edge"),
    LiveMember("olt-b", "edge"),
)
HOUR, DAY = 3_600.0, 86_400.0


def pool(**more):
    spec, _ = pool_spec_from(
        {"id": "p", "type": "ipv4", "cidr": "10.0.0.0/24", "sharding_factor": 4, **more}
    )
    return LivePool(spec, geometry(spec))


def shard(index, owner, *, free=10, hold_s=None):
    return LiveShard("p", index, owner, 1, 1, free, hold_s)


def lease(name, index, site, left_s):
    return LiveLease("p", index, name, f"10.0.0.{index * 64 + 9}", site, left_s)


def live(leases, shards=None, **more):
    owners = ("olt-a", "olt-b", "core-1", "core-2")
    shards = shards or tuple(shard(n, owner) for n, owner in enumerate(owners))
    return Live(MEMBERS, (pool(**more),), shards, tuple(leases))


def url(daemon):
    return f"http://127.0.0.1:{daemon.http_port}"


def fates(found):
    return {fate.subscriber: (fate.what, fate.until_s) for fate in found.fates}


def test_an_edge_serves_its_own_shard_for_a_day():
    found = answer(live([lease("s", 0, "olt-a", 600.0)]), "olt-a", 6 * HOUR)
    assert found.majority_left
    assert found.holds_s == pytest.approx(DAY * 5 / 6)
    assert fates(found)["s"] == (KEEPS, FOREVER)


def test_past_its_horizon_it_ends_with_the_hold():
    found = answer(live([lease("s", 0, "olt-a", 600.0)]), "olt-a", 3 * DAY)
    assert fates(found)["s"] == (ENDS, pytest.approx(DAY * 5 / 6))


def test_a_hold_that_is_told_is_believed():
    shards = (shard(0, "olt-a", hold_s=100.0), shard(1, "olt-b"))
    found = answer(live([lease("s", 0, "olt-a", 20.0)], shards), "olt-a", HOUR)
    assert fates(found)["s"] == (ENDS, 100.0)


def test_a_lease_from_another_shard_moves_to_the_sites_own():
    found = answer(live([lease("s", 1, "olt-a", 600.0)]), "olt-a", 6 * HOUR)
    assert fates(found)["s"] == (MOVES, 600.0)


def test_without_room_in_its_own_shard_it_ends():
    shards = (shard(0, "olt-a", free=0), shard(1, "olt-b"))
    found = answer(live([lease("s", 1, "olt-a", 600.0)], shards), "olt-a", 6 * HOUR)
    assert fates(found)["s"] == (ENDS, 600.0)


def test_permanent_leases_stay():
    found = answer(live([lease("s", 1, "olt-a", None)]), "olt-a", 30 * DAY)
    assert fates(found)["s"] == (KEEPS, FOREVER)


def test_the_other_side_keeps_its_own_and_loses_the_sites():
    found = answer(
        live([lease("here", 1, "olt-b", 60.0), lease("there", 0, "olt-b", 60.0)]), "olt-a", HOUR
    )
    assert fates(found) == {"here": (KEEPS, FOREVER), "there": (MOVES, 60.0)}


def test_space_is_stranded_until_the_horizon_is_over_for_sure():
    found = answer(live([]), "olt-a", 6 * HOUR)
    assert [(each.shard, each.for_s) for each in found.stranded] == [(0, 6 * HOUR)]
    found = answer(live([]), "olt-a", 3 * DAY)
    assert DAY < found.stranded[0].for_s < DAY * 1.003
    found = answer(live([], pinned=True), "olt-a", 3 * DAY)
    assert found.stranded[0].for_s == 3 * DAY


def test_two_cores_of_three_go_on_and_one_of_one_does_not():
    assert answer(live([]), "core-1", HOUR).majority_left
    alone = Live(MEMBERS[:1], (), (), ())
    assert not answer(alone, "core-1", HOUR).majority_left


def test_an_unknown_member_is_refused():
    with pytest.raises(LiveError, match="olt-a, olt-b"):
        answer(live([]), "olt-z", HOUR)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("6h", 21_600), ("1.5d", 129_600)]
)
def test_durations(text, seconds):
    assert duration_s(text) == seconds


def test_makes_a_scenario_of_the_same_shape(tmp_path):
    path = tmp_path / "whatif.toml"
    path.write_text(scenario_text(live([]), "olt-b", HOUR))
    made = load(path)
    assert (made.topology.cores, made.topology.edges) == (3, 2)
    assert made.faults[0].on == ("edge-2",)
    assert made.pools[0].cidr == "10.0.0.0/24"


def test_reads_a_real_node(tmp_path, capsys):
    with Daemon(tmp_path) as daemon, daemon.client() as client:
        client.post("/api/v1/pools", {"id": "p", "type": "ipv4", "cidr": "10.9.0.0/28"})
        for name in ("s1", "s2"):
            client.post("/api/v1/allocations", {"pool_id": "p", "subscriber_id": name, "ttl": 300})
        seen = fetch(url(daemon), 0.0)
        assert sorted(each.subscriber for each in seen.leases) == ["s1", "s2"]
        me = seen.members[0].id
        status = command.main(
            ["whatif", "--from", url(daemon), "--cut", me, "--for", "6h", "--json"]
        )
    assert status == 0
    told = json.loads(capsys.readouterr().out)
    assert {each["what"] for each in told["fates"]} == {KEEPS}


def test_the_run_starts_from_the_live_leases_and_owners(tmp_path):
    leases = [
        LiveLease("p", 0, "home", "10.0.0.9", "olt-a", 300.0),
        LiveLease("p", 0, "always", "10.0.0.10", "olt-a", None),
        LiveLease("p", 1, "other", "10.0.0.73", "olt-b", 120.0),
    ]
    path = tmp_path / "whatif.toml"
    path.write_text(scenario_text(live(leases), "olt-a", 15 * 60.0))
    world = build(load(path), 1)
    result = run(world)
    assert result.verdict == "pass"
    serving = [each for each in result.journal.decisions if each.kind == "shard"]
    assert ("edge-1", "shards/p/0", 1) in [
        (each.subject, each.detail["key"], each.detail["epoch"]) for each in serving
    ]
    spans = {(span.subscriber, span.resource): span for span in world.oracle.spans()}
    cut, healed = 60 * NS_PER_S, (60 + 15 * 60) * NS_PER_S
    for name, resource in (("home", "10.0.0.9"), ("always", "10.0.0.10"), ("other", "10.0.0.73")):
        span = spans[name, f"ipv4 {resource}"]
        assert span.start_ns < cut
        assert span.end_ns > healed
        assert span.epoch == 1


def test_a_real_node_goes_on_in_a_run(tmp_path, capsys):
    out = tmp_path / "out"
    with Daemon(tmp_path / "node") as daemon, daemon.client() as client:
        client.post("/api/v1/pools", {"id": "p", "type": "ipv4", "cidr": "10.9.0.0/28"})
        given = {}
        for name in ("s1", "s2", "s3"):
            wish = {"pool_id": "p", "subscriber_id": name, "ttl": 300}
            given[name] = client.post("/api/v1/allocations", wish).json()["resource"]
        me = fetch(url(daemon), 0.0).members[0].id
        whatif = ["whatif", "--from", url(daemon), "--cut", me, "--for", "5m", "--out", str(out)]
        assert command.main(whatif) == 0
    assert "3 subscribers keep their address" in capsys.readouterr().out
    world = build(load(out / "whatif.toml"), 1)
    assert run(world).verdict == "pass"
    held = {span.subscriber: span.resource for span in world.oracle.spans()}
    assert held == {name: f"ipv4 {resource}" for name, resource in given.items()}
