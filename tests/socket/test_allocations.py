"""Allocations over HTTP: allocate, repeat, release, lists, batch, explain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.socket.conftest import MakePool
from tests.support.api_client import ApiClient
from tests.support.fresh import Fresh
from tests.support.go_json import parse_rfc3339

ALLOCATIONS = "/api/v1/allocations"


def ask(pool: dict[str, Any], subscriber_id: str, **more: Any) -> dict[str, Any]:
    return {"pool_id": pool["id"], "subscriber_id": subscriber_id, **more}


def instant(text: str) -> datetime:
    found = parse_rfc3339(text)
    assert found is not None, text
    assert text.endswith("Z")
    assert len(text) == len("2026-01-02T03:04:05.123456Z"), text
    return found


def test_post_and_get_show_the_same(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    created = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=7200, node_id="bng-1")).expect(201)
    assert created["pool_id"] == pool["id"]
    assert created["subscriber_id"] == subscriber
    assert created["resource"] == created["ip"]
    assert created["ttl"] == 7200
    assert created["alloc_type"] == "session", "the default with ttl"
    assert created["node_id"] == "bng-1"
    assert type(created["epoch"]) is int and created["epoch"] >= 1
    began, ends = instant(created["timestamp"]), instant(created["expires_at"])
    assert abs((datetime.now(UTC) - began).total_seconds()) < 5
    assert abs((ends - began).total_seconds() - 7200) < 1
    shown = api.get(f"{ALLOCATIONS}/{subscriber}").expect(200)
    for key in ("ip", "timestamp", "expires_at", "ttl", "epoch", "alloc_type", "node_id"):
        assert shown[key] == created[key], key


def test_permanent_has_no_expiry_at_all(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    created = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=0)).expect(201)
    assert created["alloc_type"] == "permanent", "the default without ttl"
    for key in ("ttl", "expires_at", "last_renewed"):
        assert key not in created, key
    body = ask(pool, fresh.name("sub"), alloc_type="permanent", ttl=60)
    api.post(ALLOCATIONS, body).error(400, "validation_failed")


@pytest.mark.parametrize("kind", ["session", "sticky"])
def test_default_ttl_of_the_pool(
    api: ApiClient, make_pool: MakePool, fresh: Fresh, kind: str
) -> None:
    pool = make_pool(default_ttl=900)
    created = api.post(ALLOCATIONS, ask(pool, fresh.name("sub"), alloc_type=kind)).expect(201)
    assert (created["ttl"], created["alloc_type"]) == (900, kind)


def test_a_ttl_above_the_maximum_is_cut_and_told(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool = make_pool(max_ttl=1000, default_ttl=500)
    created = api.post(ALLOCATIONS, ask(pool, fresh.name("sub"), ttl=99999)).expect(201)
    assert created["warnings"]
    left = instant(created["expires_at"]) - datetime.now(UTC)
    assert left <= timedelta(seconds=1000)


def test_a_compatible_repeat_is_200_with_the_same_record(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    created = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=600)).expect(201)
    repeat = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=600)).expect(200)
    assert repeat["ip"] == created["ip"]
    assert repeat["expires_at"] == created["expires_at"]
    assert "warnings" not in repeat
    same_ip = api.post(ALLOCATIONS, ask(pool, subscriber, ip=created["ip"])).expect(200)
    assert same_ip["ip"] == created["ip"]
    changed = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=60, node_id="other")).expect(200)
    assert changed["expires_at"] == created["expires_at"], "renew is the way"
    assert changed["warnings"]


def test_a_contradiction_is_409_with_the_record(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    created = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=600)).expect(201)
    other = pool["cidr"].replace(".0/24", ".77")
    if created["ip"] == other:
        other = pool["cidr"].replace(".0/24", ".78")
    for more in ({"ip": other}, {"alloc_type": "sticky"}, {"alloc_type": "permanent"}):
        error = api.post(ALLOCATIONS, ask(pool, subscriber, **more)).error(409, "allocation_exists")
        assert error["allocation"]["ip"] == created["ip"]


def test_explicit_addresses(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    """G7: an address that is taken, reserved or elsewhere is never given."""
    cidr = fresh.cidr()
    base = cidr.removesuffix("0/24")
    pool = make_pool(cidr=cidr, exclusions=[f"{base}100-{base}110", f"{base}200"])
    asked = ask(pool, fresh.name("sub"), ip=f"{base}55")
    assert api.post(ALLOCATIONS, asked).expect(201)["ip"] == f"{base}55"
    taken = api.post(ALLOCATIONS, ask(pool, fresh.name("sub"), ip=f"{base}55"))
    taken.error(409, "resource_taken")
    for last in ("0", "255", "1", "100", "105", "110", "200"):
        excluded = api.post(ALLOCATIONS, ask(pool, fresh.name("sub"), ip=base + last))
        excluded.error(400, "resource_excluded")
    outside = api.post(ALLOCATIONS, ask(pool, fresh.name("sub"), ip="192.0.2.1"))
    outside.error(400, "resource_outside_pool")
    for bad in ("10.0.0", "10.0.0.1/32", "x", "2001:db8::1", "10.0.0.999"):
        answer = api.post(ALLOCATIONS, ask(pool, fresh.name("sub"), ip=bad))
        assert answer.status == 400, answer


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"subscriber_id": ""}, "subscriber_id"),
        ({"subscriber_id": None}, "subscriber_id"),
        ({"subscriber_id": 7}, "subscriber_id"),
        ({"subscriber_id": "a b"}, "subscriber_id"),
        ({"subscriber_id": "-a"}, "subscriber_id"),
        ({"subscriber_id": "a-"}, "subscriber_id"),
        ({"subscriber_id": "x" * 257}, "subscriber_id"),
        ({"subscriber_id": "expiring"}, "subscriber_id"),
        ({"subscriber_id": "batch"}, "subscriber_id"),
        ({"subscriber_id": "hex:xyz"}, "subscriber_id"),
        ({"subscriber_id": "ü"}, "subscriber_id"),
        ({"pool_id": ""}, "pool_id"),
        ({"pool_id": "a/b"}, "pool_id"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": "60"}, "ttl"),
        ({"ttl": 60.5}, "ttl"),
        ({"ttl": 2**63}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"alloc_type": "forever"}, "alloc_type"),
        ({"alloc_type": 1}, "alloc_type"),
        ({"node_id": "a b"}, "node_id"),
        ({"ip": 7}, "ip"),
    ],
)
def test_bad_fields_are_named(
    api: ApiClient, make_pool: MakePool, fields: dict[str, Any], word: str
) -> None:
    pool = make_pool()
    error = api.post(ALLOCATIONS, {**ask(pool, "fine"), **fields}).error(400, "validation_failed")
    assert error["error"].startswith(f"validation error for field '{word}'"), error
    assert api.get(f"{ALLOCATIONS}?pool_id={pool['id']}").expect(200)["total"] == 0


@pytest.mark.parametrize(
    "subscriber",
    ["walter@isp", "union-square", "dropbox", "a--b", "00:11:22:33:44:55", "hex:00ff", "x" * 256,
     "olt1/slot=3#port~2,vlan+7", "select.1"],
)  # fmt: skip
def test_legal_subscriber_ids(api: ApiClient, make_pool: MakePool, subscriber: str) -> None:
    """G38: no blacklist."""
    pool = make_pool()
    api.post(ALLOCATIONS, ask(pool, subscriber)).expect(201)
    listed = api.get(f"{ALLOCATIONS}?pool_id={pool['id']}").expect(200)["allocations"]
    assert [each["subscriber_id"] for each in listed] == [subscriber]


def test_get_and_delete_without_pool_choose_ipv4_then_ipv6_then_the_rest(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    subscriber = fresh.name("sub")
    vlan = make_pool(type="vlan", range=fresh.numbers("vlan", 4))
    six = make_pool(cidr=fresh.cidr6(), prefix=56)
    old, new = make_pool(), make_pool()
    for pool in (old, new, six, vlan):
        api.post(ALLOCATIONS, ask(pool, subscriber)).expect(201)
    path = f"{ALLOCATIONS}/{subscriber}"
    assert api.get(f"{path}?pool_id={old['id']}").expect(200)["pool_id"] == old["id"]
    for pool in (new, old, six, vlan):
        assert api.get(path).expect(200)["pool_id"] == pool["id"]
        assert api.delete(path).status == 204
    api.get(path).error(404, "allocation_not_found")
    api.delete(path).error(404, "allocation_not_found")


def test_delete_selects_by_pool(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    subscriber, first, second = fresh.name("sub"), make_pool(), make_pool()
    for pool in (first, second):
        api.post(ALLOCATIONS, ask(pool, subscriber)).expect(201)
    assert api.delete(f"{ALLOCATIONS}/{subscriber}?pool_id={first['id']}").status == 204
    api.get(f"{ALLOCATIONS}/{subscriber}?pool_id={first['id']}").error(404, "allocation_not_found")
    api.get(f"{ALLOCATIONS}/{subscriber}?pool_id={second['id']}").expect(200)


# ---- lists, batch, explain


def test_lists_filter_and_page(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool, other = make_pool(), make_pool()
    subs = [fresh.name("sub") for _ in range(12)]
    node = fresh.name("bng")
    for subscriber in subs:
        api.post(ALLOCATIONS, ask(pool, subscriber, node_id=node)).expect(201)
    api.post(ALLOCATIONS, ask(other, subs[0])).expect(201)

    def found(query: str) -> list[dict[str, Any]]:
        return list(api.pages(f"{ALLOCATIONS}?{query}", "allocations", limit=5))

    mine = found(f"pool_id={pool['id']}")
    assert {each["subscriber_id"] for each in mine} == set(subs)
    assert len(mine) == 12
    ips = [tuple(map(int, each["ip"].split("."))) for each in mine]
    assert ips == sorted(ips), "ordered by resource"
    assert {each["pool_id"] for each in found(f"subscriber_id={subs[0]}")} == {
        pool["id"], other["id"],
    }  # fmt: skip
    assert len(found(f"node_id={node}")) == 12
    assert len(found(f"resource={mine[3]['ip']}&pool_id={pool['id']}")) == 1
    everything = found("")
    assert len(everything) == api.get(ALLOCATIONS).expect(200)["total"]
    by_node = api.get(f"/api/v1/nodes/{node}/allocations").expect(200)
    assert by_node["count"] == 12 and by_node["node_id"] == node
    nobody = api.get("/api/v1/nodes/nobody/allocations").expect(200)
    assert nobody["allocations"] == [] and nobody["count"] == 0
    # G9: no ghosts.
    api.delete(f"{ALLOCATIONS}/{subs[1]}")
    assert api.get(f"/api/v1/nodes/{node}/allocations").expect(200)["count"] == 11


def test_batch_answers_each_in_order(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool = make_pool(cidr=fresh.cidr(29))
    subs = [fresh.name("sub") for _ in range(6)]
    items: list[Any] = [ask(pool, subscriber, ttl=600) for subscriber in subs[:4]]
    items.append(ask(pool, subs[0]))
    items.append({"pool_id": "nowhere", "subscriber_id": "x"})
    items.append({"pool_id": pool["id"]})
    items.append({**ask(pool, "x"), "ttl": "much"})
    items += [ask(pool, subscriber) for subscriber in subs[4:]]
    reply = api.post(f"{ALLOCATIONS}/batch", {"allocations": items}).expect(200)
    statuses = [result["status"] for result in reply["results"]]
    assert statuses[:4] == [201] * 4
    assert statuses[4] == 200
    assert statuses[5] == 404
    assert statuses[6:8] == [400, 400]
    assert statuses[8:] == [201, 503], "five addresses, six subscribers"
    assert reply["count"] == 10
    assert reply["failed"] == 4
    codes = [result["error"]["code"] for result in reply["results"] if "error" in result]
    assert codes == ["pool_not_found", "validation_failed", "validation_failed", "pool_exhausted"]
    ips = [result["allocation"]["ip"] for result in reply["results"][:4]]
    assert len(set(ips)) == 4
    assert api.get(f"{ALLOCATIONS}/{subs[2]}").expect(200)["ip"] == ips[2]


def test_batch_limits(api: ApiClient, make_pool: MakePool) -> None:
    pool = make_pool()
    path = f"{ALLOCATIONS}/batch"
    assert api.post(path, {"allocations": []}).status in (200, 400)
    many = [ask(pool, f"s{i}") for i in range(1001)]
    api.post(path, {"allocations": many}).error(400, "validation_failed")
    wrong: tuple[Any, ...] = ({}, {"allocations": "x"}, {"allocations": {}}, [])
    for bad in wrong:
        api.post(path, bad).error(400, "validation_failed")
    assert api.get(f"{ALLOCATIONS}?pool_id={pool['id']}").expect(200)["total"] == 0


def test_a_batch_that_names_one_subscriber_twice(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    items = [ask(pool, subscriber), ask(pool, subscriber)]
    reply = api.post(f"{ALLOCATIONS}/batch", {"allocations": items}).expect(200)
    assert [result["status"] for result in reply["results"]] == [201, 200]
    assert len({result["allocation"]["ip"] for result in reply["results"]}) == 1


def test_explain_tells_who_when_and_why(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    body = ask(pool, subscriber, ttl=600)
    got = api.request("POST", ALLOCATIONS, body, headers={"X-Request-ID": "ticket-4711"}).expect(
        201
    )
    told = api.get(f"/api/v1/explain/{pool['id']}/{got['ip']}").expect(200)
    assert (told["state"], told["holder"]) == ("held", subscriber)
    assert told["history"][0]["subscriber_id"] == subscriber
    assert told["history"][0]["cause_id"] == "ticket-4711"
    assert told["history"][0]["epoch"] == got["epoch"] == told["shard"]["epoch"]
    assert "to" not in told["history"][0]
    api.delete(f"{ALLOCATIONS}/{subscriber}")
    told = api.get(f"/api/v1/explain/{pool['id']}/{got['ip']}").expect(200)
    assert told["state"] == "cooling"
    assert "holder" not in told
    assert "to" in told["history"][0]
    assert api.get(f"/api/v1/explain/{pool['id']}/{pool['gateway']}").expect(200)[
        "state"
    ] == "reserved"  # fmt: skip
    api.get(f"/api/v1/explain/{pool['id']}/192.0.2.1").error(400, "resource_outside_pool")
    pair = make_pool(type="svlan", range=fresh.numbers("svlan", 1), c_vlan="10-12")
    got = api.post(ALLOCATIONS, ask(pair, subscriber)).expect(201)
    told = api.get(f"/api/v1/explain/{pair['id']}/{got['resource']}").expect(200)
    assert told["holder"] == subscriber


def test_an_ipv6_prefix_in_the_path_of_explain(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool, subscriber = make_pool(cidr=fresh.cidr6(), prefix=56), fresh.name("sub")
    got = api.post(ALLOCATIONS, ask(pool, subscriber)).expect(201)
    escaped = got["resource"].replace("/", "%2F").replace(":", "%3A")
    told = api.get(f"/api/v1/explain/{pool['id']}/{escaped}").expect(200)
    assert told["holder"] == subscriber
    assert told["resource"] == got["resource"]
