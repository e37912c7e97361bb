"""Pool routes over a fake node."""

from __future__ import annotations

import json

import pytest

from nexus.core.operations.backups import CreateBackups
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.read_pools import GetPool, GetUsage, ListPools, ListShards
from nexus.model.views import BackupsView, Done, UsageView
from nexus.rest.app import Knobs
from tests.support.fake_api import NOON_US, Edge, page, pool, refuse, shard

POOLS = "/api/v1/pools"


def test_create(edge: Edge) -> None:
    edge.api.answer = lambda asked: pool(spec=asked.spec)
    reply = edge.json("POST", POOLS, {"id": "wifi", "cidr": "10.0.0.0/24", "prefix": 32}, 201)
    (asked,) = edge.api.asked
    assert isinstance(asked, CreatePool)
    assert (asked.spec.id, asked.spec.type, asked.spec.prefix) == ("wifi", "ipv4", 32)
    assert reply["dns"] == reply["exclusions"] == []
    assert reply["metadata"] == {}
    assert (reply["gateway"], reply["size"]) == ("10.0.0.1", 256)
    assert reply["created_at"] == "2026-01-01T12:00:00.000000Z"
    assert None not in reply.values()
    assert "warnings" not in reply


def test_create_again_is_200(edge: Edge) -> None:
    edge.api.answer = pool(created=False)
    edge.json("POST", POOLS, {"id": "wifi", "cidr": "10.0.0.0/24"}, 200)


def test_absent_values_alias_and_unknown_keys(edge: Edge) -> None:
    """Shipped scripts send `prefix_length` and keys of their own."""
    edge.api.answer = lambda asked: pool(spec=asked.spec)
    body = {
        **{"id": "six", "cidr": "2001:db8::/48", "prefix_length": 64, "mode": "x"},
        **{"gateway": "", "dns": None, "type": None},
    }
    reply = edge.json("POST", POOLS, body, 201)
    assert (reply["type"], reply["prefix"]) == ("ipv6", 64)
    assert "unknown key 'mode' ignored" in reply["warnings"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "pool_id"),
        ({"id": "", "cidr": "10.0.0.0/24"}, "pool_id"),
        ({"id": "a/b", "cidr": "10.0.0.0/24"}, "pool_id"),
        ({"id": "a\n", "cidr": "10.0.0.0/24"}, "pool_id"),
        ({"id": "a" * 129, "cidr": "10.0.0.0/24"}, "pool_id"),
        ({"id": "a", "cidr": "10.0.0.0/24", "prefix": "24"}, "prefix"),
        ({"id": "a", "cidr": "10.0.0.0/24", "prefix": 24.0}, "prefix"),
        ({"id": "a", "cidr": 7}, "cidr"),
        ({"id": "a", "cidr": "10.0.0.0/24", "type": "ipv5"}, "type"),
        ({"id": "a", "cidr": "10.0.0.0/24", "exclusions": "10.0.0.1"}, "exclusions"),
        ({"id": "a", "cidr": "10.0.0.0/24", "metadata": {"k": 1}}, "metadata[...]"),
        ({"id": "a", "cidr": "10.0.0.0/24", "dns": [1]}, "dns[0]"),
    ],
)
def test_refused_definitions(edge: Edge, body: dict[str, object], field: str) -> None:
    status, code, text = edge.refusal("POST", POOLS, body)
    assert (status, code) == (400, "validation_failed")
    assert text.startswith(f"validation error for field '{field}': ")


@pytest.mark.parametrize(("ack_limit_s", "shortest"), [(1, 1), (5, 5), (20, 20)])
def test_the_clusters_ack_limit_bounds_the_cooldown(ack_limit_s: int, shortest: int) -> None:
    """Reuse never comes before the last answer about the address may be installed (R10)."""
    edge = Edge(Knobs(ack_limit_s=ack_limit_s))
    edge.api.answer = lambda asked: pool(spec=asked.spec)
    body = {"id": "wifi", "cidr": "10.0.0.0/24", "cooldown": shortest}
    assert edge.json("POST", POOLS, body, 201)["cooldown"] == shortest
    status, _, text = edge.refusal("POST", POOLS, {**body, "cooldown": shortest - 1})
    assert status == 400
    assert "'cooldown'" in text


def test_what_the_core_refuses_is_passed_on(edge: Edge) -> None:
    edge.api.answer = refuse("pool_overlaps", other="guest")
    reply = edge.json("POST", POOLS, {"id": "wifi", "cidr": "10.0.0.0/24"}, 409)
    assert (reply["code"], reply["other"], reply["cause_id"]) == ("pool_overlaps", "guest", "c1")


def test_get_list_and_delete(edge: Edge) -> None:
    edge.api.answer = pool()
    assert edge.json("GET", f"{POOLS}/wifi")["id"] == "wifi"
    edge.api.answer = page(pool(), total=5, next_cursor="abc")
    reply = edge.json("GET", f"{POOLS}?limit=1&cursor=x%20y")
    assert (reply["count"], reply["total"], reply["next_cursor"]) == (1, 5, "abc")
    edge.api.answer = page()
    assert edge.json("GET", POOLS) == {"pools": [], "count": 0, "total": 0}
    edge.api.answer = Done()
    for target in (f"{POOLS}/wifi", f"{POOLS}/wifi?force=true", f"{POOLS}/wifi?force=0"):
        assert edge.request("DELETE", target).status == 204
    assert edge.api.asked == [
        *(GetPool("wifi"), ListPools(1, "x y"), ListPools()),
        *(DeletePool("wifi"), DeletePool("wifi", force=True), DeletePool("wifi")),
    ]


@pytest.mark.parametrize(
    "target",
    [
        *("?limit=0", "?limit=10001", "?limit=-1", "?limit=x", "?limit=1.0", "?limit=%D9%A1"),
        *("?limit=" + "9" * 5000, "?cursor=" + "c" * 2000, "?limit=%ff", "?" + "a=1&" * 100),
    ],
)
def test_bad_pages_are_400(edge: Edge, target: str) -> None:
    assert edge.refusal("GET", POOLS + target)[:2] == (400, "validation_failed")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", f"{POOLS}/a%2Fb"),
        ("GET", f"{POOLS}/.."),
        ("DELETE", f"{POOLS}/-a"),
        ("GET", f"{POOLS}/a%00/usage"),
        ("GET", f"{POOLS}/{'a' * 129}/shards"),
        ("DELETE", f"{POOLS}/a?force=perhaps"),
    ],
)
def test_an_illegal_id_is_400_before_any_look_up(edge: Edge, method: str, target: str) -> None:
    assert edge.refusal(method, target)[:2] == (400, "validation_failed")


def test_usage_shards_and_backups(edge: Edge) -> None:
    edge.api.answer = UsageView("wifi", 256, 250, 2, 1, 0, 3)
    reply = edge.json("GET", f"{POOLS}/wifi/usage")
    assert reply["utilization"] == pytest.approx(3 / 253, abs=1e-6)
    edge.api.answer = page(shard(), shard(index=1, owner=None, hold_remaining_ns=None))
    shards = edge.json("GET", f"{POOLS}/wifi/shards")["shards"]
    assert shards[0]["hold_remaining_seconds"] == 1.235
    assert "owner" not in shards[1]
    edge.api.answer = BackupsView("wifi", "n2", 7)
    body = {"backup_node_id": "n2"}
    reply = edge.json("POST", f"{POOLS}/wifi/backup-allocations", body, 201)
    assert reply == {"pool_id": "wifi", "backup_node_id": "n2", "allocations_count": 7}
    assert edge.api.asked == [GetUsage("wifi"), ListShards("wifi"), CreateBackups("wifi", "n2")]
    refusal = edge.refusal("POST", f"{POOLS}/wifi/backup-allocations", {})
    assert refusal[2] == "validation error for field 'backup_node_id': is required"


def test_an_error_carries_its_headers(edge: Edge) -> None:
    edge.api.answer = refuse("starting", retry_after_s=2)
    reply = edge.request("GET", f"{POOLS}/wifi")
    assert (reply.status, reply.headers) == (503, (("Retry-After", "2"),))
    assert "retry_after_s" not in json.loads(reply.body)


def test_a_defect_is_500_and_indefinite(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    edge.api.answer = ZeroDivisionError("boom")
    reply = edge.json("GET", f"{POOLS}/wifi", status=500)
    assert (reply["code"], reply["definite"]) == ("internal_error", False)
    assert "boom" not in reply["error"]
    assert "c1" in caplog.text


def test_times_keep_their_microseconds(edge: Edge) -> None:
    edge.api.answer = pool(created_us=NOON_US + 1)
    assert edge.json("GET", f"{POOLS}/wifi")["created_at"] == "2026-01-01T12:00:00.000001Z"
