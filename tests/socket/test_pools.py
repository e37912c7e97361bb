"""Pools over HTTP: codes, shapes and limits that callers rely on."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from tests.socket.conftest import MakePool
from tests.support.api_client import ApiClient
from tests.support.fresh import Fresh
from tests.support.go_json import parse_rfc3339

POOLS = "/api/v1/pools"


def usage(api: ApiClient, pool_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"{POOLS}/{pool_id}/usage").expect(200)
    parts = [found[key] for key in ("free", "held", "cooling", "locked", "reserved")]
    assert all(type(part) is int for part in parts)
    assert sum(parts) == found["size"], found
    assert 0 <= found["utilization"] <= 1
    return found


def allocate(api: ApiClient, pool_id: str, subscriber_id: str, **more: Any) -> dict[str, Any]:
    body = {"pool_id": pool_id, "subscriber_id": subscriber_id, **more}
    found: dict[str, Any] = api.post("/api/v1/allocations", body).expect(201)
    return found


def test_create_show_list_delete(api: ApiClient, fresh: Fresh) -> None:
    pool_id, cidr = fresh.name("pool"), fresh.cidr()
    asked = {
        "id": pool_id,
        "cidr": cidr,
        "dns": ["9.9.9.9", "2620:fe::fe"],
        "metadata": {"site": "s1"},
        "exclusions": [str(ipaddress.ip_network(cidr)[10])],
        "backup_ratio": 0.25,
    }
    created = api.post(POOLS, asked).expect(201)
    for key, value in asked.items():
        assert created[key] == value, key
    assert created["type"] == "ipv4"
    assert created["size"] == 256
    assert created["shard_count"] >= 1
    assert created["gateway"] == str(ipaddress.ip_network(cidr)[1])
    assert parse_rfc3339(created["created_at"]) is not None
    assert "warnings" not in created

    shown = api.get(f"{POOLS}/{pool_id}").expect(200)
    assert shown == created
    assert shown in list(api.pages(POOLS, "pools", limit=7))
    assert api.delete(f"{POOLS}/{pool_id}").status == 204
    api.get(f"{POOLS}/{pool_id}").error(404, "pool_not_found")


def test_the_same_definition_again_is_200_another_one_409(api: ApiClient, fresh: Fresh) -> None:
    asked = {"id": fresh.name("pool"), "cidr": fresh.cidr()}
    created = api.post(POOLS, asked).expect(201)
    assert api.post(POOLS, asked).expect(200) == created
    api.post(POOLS, {**asked, "cidr": fresh.cidr()}).error(409, "pool_exists")
    api.post(POOLS, {**asked, "dns": ["1.1.1.1"]}).error(409, "pool_exists")
    assert api.get(f"{POOLS}/{asked['id']}").expect(200) == created, "G3: nothing was overwritten"


def test_overlap_is_refused_unless_both_allow_it(api: ApiClient, fresh: Fresh) -> None:
    wide = ipaddress.ip_network(fresh.cidr(22))
    inner = str(list(wide.subnets(new_prefix=24))[2])
    first = {"id": fresh.name("vrf"), "cidr": str(wide), "allow_overlap": True}
    api.post(POOLS, first).expect(201)
    second = {"id": fresh.name("vrf"), "cidr": inner}
    api.post(POOLS, second).error(409, "pool_overlaps")
    api.post(POOLS, {**second, "allow_overlap": True}).expect(201)


def test_unknown_pool_is_404_everywhere(api: ApiClient) -> None:
    for path in ("", "/shards", "/usage"):
        api.get(f"{POOLS}/nowhere{path}").error(404, "pool_not_found")
    api.delete(f"{POOLS}/nowhere").error(404, "pool_not_found")
    api.post(f"{POOLS}/nowhere/backup-allocations", {"backup_node_id": "b"}).error(
        404, "pool_not_found"
    )
    api.get("/api/v1/allocations?pool_id=nowhere").error(404, "pool_not_found")
    body = {"pool_id": "nowhere", "subscriber_id": "s"}
    api.post("/api/v1/allocations", body).error(404, "pool_not_found")
    api.get("/api/v1/explain/nowhere/10.0.0.1").error(404, "pool_not_found")
    api.get("/api/v1/allocations/s?pool_id=nowhere").error(404, "pool_not_found")
    api.delete("/api/v1/allocations/s?pool_id=nowhere").error(404, "pool_not_found")


@pytest.mark.parametrize("bad", ["-a", "a-", "a%20b", "a%00", "x" * 129, "%C3%BC", "a%2Fb", "a:b"])
def test_an_illegal_pool_id_is_400_before_any_look_up(api: ApiClient, bad: str) -> None:
    for method, path in (
        ("GET", f"{POOLS}/{bad}"),
        ("DELETE", f"{POOLS}/{bad}"),
        ("GET", f"{POOLS}/{bad}/usage"),
        ("GET", f"{POOLS}/{bad}/shards"),
    ):
        error = api.request(method, path).error(400, "validation_failed")
        assert error["error"].startswith("validation error for field 'pool_id': "), error


@pytest.mark.parametrize("good", ["a--b", "select", "drop.table", "union-square", "x" * 128, "7"])
def test_legal_ids_that_a_blacklist_would_refuse(api: ApiClient, fresh: Fresh, good: str) -> None:
    api.post(POOLS, {"id": good, "cidr": fresh.cidr()}).expect(201)
    assert api.get(f"{POOLS}/{good}").expect(200)["id"] == good
    assert api.delete(f"{POOLS}/{good}").status == 204


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"id": ""}, "pool_id"),
        ({"id": None}, "pool_id"),
        ({"id": "-a"}, "pool_id"),
        ({"id": 7}, "pool_id"),
        ({"cidr": "10.0.0.1/24"}, "cidr"),
        ({"cidr": "10.0.0.0/33"}, "cidr"),
        ({"cidr": "nonsense"}, "cidr"),
        ({"cidr": 5}, "cidr"),
        ({"cidr": "10.250.0.0/24", "prefix": 23}, "prefix"),
        ({"cidr": "10.250.0.0/24", "prefix": 33}, "prefix"),
        ({"cidr": "10.250.0.0/24", "prefix": "24"}, "prefix"),
        ({"cidr": "10.250.0.0/24", "prefix": 24.5}, "prefix"),
        ({"cidr": "10.0.0.0/8", "prefix": 24}, "prefix"),
        ({"cidr": "10.250.0.0/24", "sharding_factor": 1025}, "sharding_factor"),
        ({"cidr": "10.250.0.0/24", "sharding_factor": -1}, "sharding_factor"),
        ({"cidr": "10.250.0.0/16", "prefix": 24, "sharding_factor": 3}, "sharding_factor"),
        ({"cidr": "10.250.0.0/24", "backup_ratio": 1.5}, "backup_ratio"),
        ({"cidr": "10.250.0.0/24", "gateway": "gw"}, "gateway"),
        ({"cidr": "10.250.0.0/24", "exclusions": ["10.251.0.0/24"]}, "exclusions"),
        ({"cidr": "10.250.0.0/24", "exclusions": "10.250.0.7"}, "exclusions"),
        ({"cidr": "10.250.0.0/24", "dns": ["nobody"]}, "dns"),
        ({"cidr": "10.250.0.0/24", "metadata": {"a": 1}}, "metadata"),
        ({"cidr": "10.250.0.0/24", "cooldown": 0}, "cooldown"),
        ({"cidr": "10.250.0.0/24", "horizon": 9}, "horizon"),
        ({"cidr": "10.250.0.0/24", "mclt": 29}, "mclt"),
        ({"cidr": "10.250.0.0/24", "max_ttl": 0.5}, "max_ttl"),
        ({"cidr": "10.250.0.0/24", "headroom_shards": 17}, "headroom_shards"),
        ({"cidr": "10.250.0.0/24", "load_bound": 1}, "load_bound"),
        ({"cidr": "10.250.0.0/24", "pinned": "yes"}, "pinned"),
        ({"type": "vlan", "range": "0-5"}, "range"),
        ({"type": "vlan", "range": "4000-4095"}, "range"),
        ({"type": "vlan", "range": "9-5"}, "range"),
        ({"type": "port", "range": "1-65536"}, "range"),
        ({"type": "teapot", "range": "1-2"}, "type"),
        ({"type": "svlan", "range": "5-6", "c_vlan": "0-9"}, "c_vlan"),
        ({"type": "port", "range": "1000-1099", "block_size": -3}, "block_size"),
    ],
)
def test_what_is_refused_names_the_field(
    api: ApiClient, fresh: Fresh, fields: dict[str, Any], word: str
) -> None:
    before = api.get(POOLS).expect(200)["total"]
    error = api.post(POOLS, {"id": fresh.name("bad"), **fields}).error(400, "validation_failed")
    named = error["error"].split("'")[1]
    assert named == word or named.startswith((f"{word}[", f"{word}.")), error
    assert api.get(POOLS).expect(200)["total"] == before


def test_pools_without_space_or_with_two(api: ApiClient, fresh: Fresh) -> None:
    api.post(POOLS, {"id": fresh.name("bad")}).error(400, "validation_failed")
    both = {"id": fresh.name("bad"), "cidr": fresh.cidr(), "range": "1-5"}
    api.post(POOLS, both).error(400, "validation_failed")


def test_unknown_keys_are_told_and_null_means_absent(api: ApiClient, fresh: Fresh) -> None:
    asked = {
        "id": fresh.name("pool"),
        "cidr": fresh.cidr(),
        "mode": "x",
        "gateway": None,
        "dns": None,
    }
    created = api.post(POOLS, asked).expect(201)
    assert any("mode" in warning for warning in created["warnings"])
    assert created["dns"] == [] and created["exclusions"] == [] and created["metadata"] == {}


@pytest.mark.parametrize(
    ("length", "usable", "gateway"),
    [(32, 1, False), (31, 2, False), (30, 1, True), (29, 5, True), (24, 253, True)],
)
def test_every_small_pool_works_to_its_last_address(
    api: ApiClient, make_pool: MakePool, fresh: Fresh, length: int, usable: int, gateway: bool
) -> None:
    """G16, G17: small pools serve all they have, and say so when nothing is left."""
    cidr = fresh.cidr(length)
    pool = make_pool(cidr=cidr)
    assert ("gateway" in pool) == gateway
    counted = usage(api, pool["id"])
    assert counted["free"] == usable
    assert counted["size"] == 2 ** (32 - length)
    given = [allocate(api, pool["id"], f"s{i}")["ip"] for i in range(usable)]
    assert len(set(given)) == usable
    assert all(ipaddress.ip_address(ip) in ipaddress.ip_network(cidr) for ip in given)
    assert pool.get("gateway") not in given
    body = {"pool_id": pool["id"], "subscriber_id": "one-too-many"}
    api.post("/api/v1/allocations", body).error(503, "pool_exhausted")
    assert usage(api, pool["id"])["utilization"] == 1


def test_a_slash_8_and_an_ipv6_slash_32(api: ApiClient, make_pool: MakePool) -> None:
    for asked, size in (
        ({"cidr": "11.0.0.0/8"}, 2**24),
        ({"cidr": "2a00:db8::/32", "prefix": 64}, 2**32),
    ):
        pool = make_pool(**asked)
        assert pool["size"] == size
        assert pool["shard_count"] <= 1024
        got = allocate(api, pool["id"], "s1")
        network = ipaddress.ip_network(str(asked["cidr"]))
        assert ipaddress.ip_address(got["ip"]) in network
        assert usage(api, pool["id"])["held"] == 1


def test_ipv6_delegates_prefixes(api: ApiClient, fresh: Fresh) -> None:
    cidr = fresh.cidr6()
    pool = api.post(POOLS, {"id": fresh.name("six"), "cidr": cidr, "prefix_length": 56}).expect(201)
    assert (pool["type"], pool["prefix"], pool["size"]) == ("ipv6", 56, 256)
    got = allocate(api, pool["id"], "s1")
    assert got["prefix"] == 56
    assert got["resource"] == f"{got['ip']}/56"
    assert ipaddress.ip_network(got["resource"]).subnet_of(ipaddress.ip_network(cidr))  # type: ignore[arg-type]


def test_vlans_pairs_ports_and_blocks(api: ApiClient, fresh: Fresh) -> None:
    def make(**fields: Any) -> str:
        pool_id: str = api.post(POOLS, {"id": fresh.name("pool"), **fields}).expect(201)["id"]
        return pool_id

    one = fresh.numbers("vlan", 1)
    vlan = make(type="vlan", range=one)
    got = allocate(api, vlan, "s1")
    assert got["resource"] == one
    assert "ip" not in got and "prefix" not in got
    body = {"pool_id": vlan, "subscriber_id": "s2"}
    api.post("/api/v1/allocations", body).error(503, "pool_exhausted")

    outer = fresh.numbers("svlan", 2)
    plain = make(type="svlan", range=outer)
    low = int(outer.split("-")[0])
    assert allocate(api, plain, "s1")["resource"] in (str(low), str(low + 1))
    pair_range = fresh.numbers("svlan", 2)
    pairs = make(type="svlan", range=pair_range, c_vlan="10-12")
    assert api.get(f"{POOLS}/{pairs}").expect(200)["size"] == 6
    s_vid, _, c_vid = allocate(api, pairs, "s1")["resource"].partition(".")
    low = int(pair_range.split("-")[0])
    assert int(s_vid) in (low, low + 1)
    assert int(c_vid) in (10, 11, 12)

    ports = fresh.numbers("port", 10)
    assert int(allocate(api, make(type="port", range=ports), "s1")["resource"]) >= 1024
    blocks = fresh.numbers("port", 256)
    block_pool = make(type="port", range=blocks, block_size=64)
    assert usage(api, block_pool)["size"] == 4
    first, last = allocate(api, block_pool, "s1")["resource"].split("-")
    assert int(last) - int(first) == 63


def test_a_gateway_elsewhere_is_told_and_reserves_nothing(
    api: ApiClient, make_pool: MakePool
) -> None:
    pool = make_pool(gateway="192.0.2.1")
    assert pool["gateway"] == "192.0.2.1"
    assert any("192.0.2.1" in warning for warning in pool["warnings"])
    assert usage(api, pool["id"])["reserved"] == 2


def test_a_new_pool_does_not_make_the_node_unready(api: ApiClient, fresh: Fresh) -> None:
    """Its shards are granted a moment later; whoever probes in between must not take us out."""
    api.post(POOLS, {"id": fresh.name("wide"), "cidr": "12.0.0.0/8"}).expect(201)
    seen = {api.get("/ready").status for _ in range(50)}
    assert seen == {200}


def test_shards_add_up_to_the_pool(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool = make_pool(cidr=fresh.cidr(20), sharding_factor=16)
    assert (pool["sharding_factor"], pool["shard_count"]) == (16, 16)
    for i in range(20):
        allocate(api, pool["id"], f"s{i}")
    shards = list(api.pages(f"{POOLS}/{pool['id']}/shards", "shards", limit=5))
    assert [shard["index"] for shard in shards] == list(range(16))
    node = api.get("/api/v1/nodes").expect(200)["nodes"][0]["id"]
    assert {shard["owner"] for shard in shards} == {node}
    assert all(shard["epoch"] >= 1 for shard in shards)
    counted = usage(api, pool["id"])
    for key in ("free", "held", "cooling", "locked", "reserved"):
        assert sum(shard[key] for shard in shards) == counted[key], key
    assert counted["held"] == 20


def test_sharding_is_rounded_up_and_an_ipv4_prefix_means_subnets(
    make_pool: MakePool, fresh: Fresh
) -> None:
    odd = make_pool(cidr=fresh.cidr(22), sharding_factor=6)
    assert (odd["sharding_factor"], odd["shard_count"]) == (6, 8)
    subnets = make_pool(cidr=fresh.cidr(16), prefix=24)
    assert subnets["shard_count"] == 256


def test_delete_in_use_needs_force_and_what_was_told_cools(
    api: ApiClient, make_pool: MakePool
) -> None:
    """G4: no orphans, and R10 outlives the pool."""
    pool = make_pool(cooldown=60)
    got = allocate(api, pool["id"], "orphan", ttl=600)
    api.delete(f"{POOLS}/{pool['id']}").error(409, "pool_in_use")
    assert api.get("/api/v1/allocations/orphan").expect(200)["ip"] == got["ip"]
    assert api.delete(f"{POOLS}/{pool['id']}?force=true").status == 204
    api.get("/api/v1/allocations/orphan").error(404, "allocation_not_found")
    again = make_pool(id=pool["id"], cidr=pool["cidr"])
    assert again["generation"] > pool["generation"]
    assert usage(api, again["id"])["cooling"] == 1
    body = {"pool_id": again["id"], "subscriber_id": "heir", "ip": got["ip"]}
    answer = api.post("/api/v1/allocations", body)
    answer.error(409, "resource_cooling")
    assert int(answer.headers["retry-after"]) >= 1


def test_backups_label_allocations_of_other_nodes(api: ApiClient, make_pool: MakePool) -> None:
    pool = make_pool(backup_ratio=0.5)
    for i in range(10):
        allocate(api, pool["id"], f"backed-{i}", node_id="bng-1")
    path = f"{POOLS}/{pool['id']}/backup-allocations"
    first = api.post(path, {"backup_node_id": "bng-9"}).expect(201)
    assert first == {"pool_id": pool["id"], "backup_node_id": "bng-9", "allocations_count": 5}
    listed = api.get("/api/v1/nodes/bng-9/backup-allocations").expect(200)
    assert listed["count"] == 5
    assert {each["backup_node_id"] for each in listed["allocations"]} == {"bng-9"}
    # Its own allocations are never its backups.
    own = api.post(path, {"backup_node_id": "bng-1"}).expect(201)
    assert own["allocations_count"] == 0
    api.post(path, {}).error(400, "validation_failed")
    api.post(path, {"backup_node_id": "-"}).error(400, "validation_failed")


def test_list_pages_are_stable_and_checked(api: ApiClient, make_pool: MakePool) -> None:
    made = [make_pool()["id"] for _ in range(5)]
    listed = [pool["id"] for pool in api.pages(POOLS, "pools", limit=2)]
    assert [pool_id for pool_id in listed if pool_id in made] == made, "order of creation"
    assert len(listed) == len(set(listed))
    page = api.get(f"{POOLS}?limit=2").expect(200)
    assert page["count"] == 2 and page["total"] == len(listed)
    for bad in ("limit=0", "limit=10001", "limit=x", "limit=-1", "limit=1.5", "cursor=garbage"):
        api.get(f"{POOLS}?{bad}").error(400, "validation_failed")
