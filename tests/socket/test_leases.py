"""Leases over HTTP: renew, expire, cool, stick; what is told and for how long."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Network
from typing import Any

from tests.socket.conftest import COOLDOWN_S, MakePool
from tests.support.api_client import ApiClient
from tests.support.fresh import Fresh
from tests.support.go_json import parse_rfc3339
from tests.support.waiting import wait_for

ALLOCATIONS = "/api/v1/allocations"


def ask(pool: dict[str, Any], subscriber_id: str, **more: Any) -> dict[str, Any]:
    return {"pool_id": pool["id"], "subscriber_id": subscriber_id, **more}


def instant(text: str) -> datetime:
    found = parse_rfc3339(text)
    assert found is not None, text
    assert text.endswith("Z")
    assert len(text) == len("2026-01-02T03:04:05.123456Z"), text
    return found


def test_renew(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    created = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=600)).expect(201)
    path = f"{ALLOCATIONS}/{subscriber}/renew"
    for body in (b"", b"{}", b'{"ttl":0}', b'{"ttl":null}', b"null"):
        kept = api.request("POST", path, body=body).expect(200)
        assert kept["ttl"] == 600
        assert kept["ip"] == created["ip"]
        assert instant(kept["expires_at"]) >= instant(created["expires_at"])
        assert "last_renewed" in kept
    longer = api.post(path, {"ttl": 1200}).expect(200)
    assert longer["ttl"] == 1200
    shorter = api.post(path, {"ttl": 60}).expect(200)
    assert instant(shorter["expires_at"]) < instant(longer["expires_at"])
    for bad in ({"ttl": -5}, {"ttl": "60"}, {"ttl": 1.5}):
        api.post(path, bad).error(400, "validation_failed")
    api.request("POST", path, body=b"{").error(400, "malformed_json")
    selected = api.post(f"{path}?pool_id={pool['id']}", {"ttl": 700}).expect(200)
    assert selected["ttl"] == 700


def test_renew_of_permanent_and_of_nothing(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    created = api.post(ALLOCATIONS, ask(pool, subscriber)).expect(201)
    path = f"{ALLOCATIONS}/{subscriber}/renew"
    kept = api.post(path).expect(200)
    assert kept["ip"] == created["ip"]
    assert "expires_at" not in kept
    api.post(path, {"ttl": 60}).error(409, "allocation_permanent")
    api.delete(f"{ALLOCATIONS}/{subscriber}")
    api.post(path, {}).error(404, "allocation_not_found")
    api.get(f"{ALLOCATIONS}/{subscriber}").error(404, "allocation_not_found")


# ---- cooling, sticky, expiry


def test_a_released_address_cools_before_another_gets_it(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool = make_pool(cidr=fresh.cidr(32), cooldown=COOLDOWN_S + 1)
    first, second = fresh.name("sub"), fresh.name("sub")
    ip = api.post(ALLOCATIONS, ask(pool, first)).expect(201)["ip"]
    assert api.delete(f"{ALLOCATIONS}/{first}").status == 204
    refused = api.post(ALLOCATIONS, ask(pool, second))
    refused.error(503, "pool_exhausted")
    assert 1 <= int(refused.headers["retry-after"]) <= COOLDOWN_S + 2
    api.post(ALLOCATIONS, ask(pool, second, ip=ip)).error(409, "resource_cooling")
    started = time.monotonic()
    wait_for(
        "the address is free again",
        lambda: api.post(ALLOCATIONS, ask(pool, second)).status == 201,
        limit_s=COOLDOWN_S + 5,
    )
    assert time.monotonic() - started > COOLDOWN_S - 0.2


def test_sticky_comes_back_at_once_and_survives_delete(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    """G50: sticky means the same address for the same subscriber, without waiting."""
    pool, subscriber = make_pool(), fresh.name("sub")
    body = ask(pool, subscriber, alloc_type="sticky", ttl=600)
    ip = api.post(ALLOCATIONS, body).expect(201)["ip"]
    for _ in range(3):
        assert api.delete(f"{ALLOCATIONS}/{subscriber}").status == 204
        for i in range(20):
            other = api.post(ALLOCATIONS, ask(pool, f"{subscriber}-{i}")).expect(200, 201)
            assert other["ip"] != ip
        assert api.post(ALLOCATIONS, body).expect(201)["ip"] == ip


def test_expiry_is_exact_and_frees_after_cooling(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    """G1, G2, G10: the TTL that was asked for is the TTL that ends it, and nothing else ends."""
    pool = make_pool(cidr=fresh.cidr(28), cooldown=COOLDOWN_S)
    short, long = fresh.name("sub"), fresh.name("sub")
    created = api.post(ALLOCATIONS, ask(pool, short, ttl=2)).expect(201)
    api.post(ALLOCATIONS, ask(pool, long, ttl=600)).expect(201)
    ends = instant(created["expires_at"])
    path = f"{ALLOCATIONS}/{short}"
    time.sleep(1)
    assert api.get(path).status == 200, "not before its time"
    wait_for("it expires", lambda: api.get(path).status == 404, limit_s=5)
    late = (datetime.now(UTC) - ends).total_seconds()
    assert -0.05 < late < 1, f"{late} s late"
    usage = api.get(f"/api/v1/pools/{pool['id']}/usage").expect(200)
    assert usage["held"] == 1
    assert usage["cooling"] == 1
    api.post(f"{path}/renew", {"ttl": 60}).error(404, "allocation_not_found")
    api.get(f"{ALLOCATIONS}/{long}").expect(200)

    def cooled() -> bool:
        return bool(api.get(f"/api/v1/pools/{pool['id']}/usage").expect(200)["cooling"] == 0)

    wait_for("cooled", cooled, limit_s=10)


def test_a_shortened_lease_blocks_as_long_as_was_ever_told(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    """R10: somebody may still use the address until the first deadline."""
    pool, subscriber = make_pool(cooldown=COOLDOWN_S), fresh.name("sub")
    ip = api.post(ALLOCATIONS, ask(pool, subscriber, ttl=900)).expect(201)["ip"]
    api.post(f"{ALLOCATIONS}/{subscriber}/renew", {"ttl": 1}).expect(200)
    wait_for("it ends", lambda: api.get(f"{ALLOCATIONS}/{subscriber}").status == 404)
    time.sleep(COOLDOWN_S + 0.5)
    refused = api.post(ALLOCATIONS, ask(pool, fresh.name("sub"), ip=ip))
    refused.error(409, "resource_cooling")
    assert 800 < int(refused.headers["retry-after"]) <= 920
    told = api.get(f"/api/v1/explain/{pool['id']}/{ip}").expect(200)
    assert (told["state"], told["history"][0]["reason"]) == ("cooling", "expired")


def test_a_sticky_address_goes_to_others_last_of_all(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool = make_pool(cidr=fresh.cidr(29), cooldown=COOLDOWN_S)
    owner = fresh.name("sub")
    body = ask(pool, owner, alloc_type="sticky", ttl=600)
    ip = api.post(ALLOCATIONS, body).expect(201)["ip"]
    assert api.delete(f"{ALLOCATIONS}/{owner}").status == 204
    time.sleep(COOLDOWN_S + 0.5)
    others = [fresh.name("sub") for _ in range(5)]
    given = [api.post(ALLOCATIONS, ask(pool, each)).expect(201)["ip"] for each in others]
    assert given[4] == ip, "free ones first, the claimed one when nothing else is left"
    assert len(set(given)) == 5
    api.post(ALLOCATIONS, body).error(503, "pool_exhausted")


def test_only_telling_replies_say_until_when_they_may_be_installed(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    """R8 d, R9: a list is no promise."""
    pool, subscriber = make_pool(), fresh.name("sub")
    body = ask(pool, subscriber, ttl=600)
    telling = [
        api.post(ALLOCATIONS, body).expect(201),
        api.post(ALLOCATIONS, body).expect(200),
        api.post(f"{ALLOCATIONS}/{subscriber}/renew").expect(200),
        api.get(f"{ALLOCATIONS}/{subscriber}").expect(200),
        api.post(f"{ALLOCATIONS}/batch", {"allocations": [body]}).expect(200)["results"][0][
            "allocation"
        ],
    ]
    for reply in telling:
        left = instant(reply["not_after"]) - datetime.now(UTC)
        assert timedelta(0) < left < timedelta(seconds=6)
        assert "provisional" not in reply
    for path in (
        f"{ALLOCATIONS}?pool_id={pool['id']}",
        f"{ALLOCATIONS}/expiring?within=900&pool_id={pool['id']}",
    ):
        (listed,) = api.get(path).expect(200)["allocations"]
        assert "not_after" not in listed


def test_explicit_resources_of_every_type(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    vlan = make_pool(type="vlan", range=fresh.numbers("vlan", 4))
    block = make_pool(type="port", range=fresh.numbers("port", 256), block_size=64)
    pair = make_pool(type="svlan", range=fresh.numbers("svlan", 2), c_vlan="10-12")
    six = make_pool(cidr=fresh.cidr6(), prefix=56)
    low = int(block["range"].split("-")[0])
    wanted = (
        (vlan, str(int(vlan["range"].split("-")[0]) + 2)),
        (block, f"{low + 64}-{low + 127}"),
        (pair, f"{pair['range'].split('-')[1]}.11"),
        (six, str(IPv6Network((int(IPv6Network(six["cidr"])[0]) + (0x4200 << 64), 56)))),
    )
    for pool, resource in wanted:
        body = ask(pool, fresh.name("sub"), resource=resource)
        assert api.post(ALLOCATIONS, body).expect(201)["resource"] == resource
        body["subscriber_id"] = fresh.name("sub")
        api.post(ALLOCATIONS, body).error(409, "resource_taken")
        assert api.post(ALLOCATIONS, {**body, "resource": "nonsense"}).status == 400


def test_expiring_tells_the_truth(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool = make_pool()
    ttls = [100, 300, 200, 5000]
    subs = [fresh.name("sub") for _ in ttls]
    for subscriber, ttl in zip(subs, ttls, strict=True):
        api.post(ALLOCATIONS, ask(pool, subscriber, ttl=ttl)).expect(201)
    api.post(ALLOCATIONS, ask(pool, fresh.name("sub"))).expect(201)

    def within(seconds: str) -> list[str]:
        path = f"{ALLOCATIONS}/expiring?pool_id={pool['id']}{seconds}"
        page = api.get(path).expect(200)
        assert instant(page["expiring_before"]) > datetime.now(UTC) - timedelta(seconds=5)
        assert page["count"] == page["total"] == len(page["allocations"])
        return [each["subscriber_id"] for each in page["allocations"]]

    assert within("&within=250") == [subs[0], subs[2]], "ordered by expiry"
    assert within("") == [subs[0], subs[2], subs[1]], "an hour is the default"
    assert within("&within=10000") == [subs[0], subs[2], subs[1], subs[3]]
    assert within("&within=1") == []
    paged = api.pages(f"{ALLOCATIONS}/expiring?within=10000&pool_id={pool['id']}", "allocations", 1)
    assert [each["subscriber_id"] for each in paged] == [subs[0], subs[2], subs[1], subs[3]]
    for bad in ("x", "-1", "1.5", ""):
        if bad:
            api.get(f"{ALLOCATIONS}/expiring?within={bad}").error(400, "validation_failed")
