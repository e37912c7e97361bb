"""HTTP itself: unknown routes, methods, bodies, ids of requests, the document, health."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.socket.conftest import MakePool
from tests.support.api_client import ApiClient, raw_exchange
from tests.support.daemon import Daemon
from tests.support.fresh import Fresh

ALLOCATIONS = "/api/v1/allocations"

# Every route of the README, plus those that shipped clients call.
ROUTES = {
    "/health": {"get"},
    "/ready": {"get"},
    "/api/v1/health": {"get"},
    "/api/v1/pools": {"get", "post"},
    "/api/v1/pools/{}": {"get", "delete"},
    "/api/v1/pools/{}/shards": {"get"},
    "/api/v1/pools/{}/usage": {"get"},
    "/api/v1/pools/{}/backup-allocations": {"post"},
    "/api/v1/allocations": {"get", "post"},
    "/api/v1/allocations/batch": {"post"},
    "/api/v1/allocations/expiring": {"get"},
    "/api/v1/allocations/{}": {"get", "delete"},
    "/api/v1/allocations/{}/renew": {"post"},
    "/api/v1/nodes": {"get"},
    "/api/v1/nodes/{}": {"get"},
    "/api/v1/nodes/{}/allocations": {"get"},
    "/api/v1/nodes/{}/backup-allocations": {"get"},
    "/api/v1/nodes/{}/heartbeat": {"post"},
    "/api/v1/nodes/{}/drain": {"post", "delete"},
    "/api/v1/nodes/{}/fence": {"post"},
    "/api/v1/hashring": {"get"},
    "/api/v1/voters": {"get", "put"},
    "/api/v1/watch": {"get"},
    "/api/v1/explain/{}/{}": {"get"},
    "/api/v1/openapi.json": {"get"},
    "/api/v1/bootstrap": {"post"},
    "/api/v1/bootstrap/register": {"post"},
    "/api/v1/bootstrap/devices": {"get"},
    "/api/v1/bootstrap/devices/{}": {"get"},
    "/api/v1/bootstrap/devices/{}/config": {"get"},
    "/api/v1/devices": {"get"},
    "/api/v1/devices/register": {"post"},
    "/api/v1/devices/whitelist": {"post"},
    "/api/v1/devices/pending": {"get"},
    "/api/v1/devices/import": {"post"},
    "/api/v1/devices/{}": {"get", "put", "delete"},
    "/api/v1/devices/{}/approve": {"post"},
    "/api/v1/devices/{}/reject": {"post"},
    "/api/v1/devices/{}/revoke": {"post"},
}


def test_the_document_lists_every_promised_route(api: ApiClient) -> None:
    document = api.get("/api/v1/openapi.json").expect(200)
    assert document["openapi"].startswith("3.1")
    listed = {
        re.sub(r"\{[^}]*\}", "{}", path): {
            method for method in item if method in ("get", "put", "post", "delete", "patch")
        }
        for path, item in document["paths"].items()
    }
    for path, methods in ROUTES.items():
        assert methods <= listed.get(path, set()), path


def test_every_schema_of_the_document_is_a_schema(api: ApiClient) -> None:
    document = api.get("/api/v1/openapi.json").expect(200)
    schemas = document["components"]["schemas"]
    assert schemas
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_replies_match_their_documented_schema(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    document = api.get("/api/v1/openapi.json").expect(200)
    pool, subscriber = make_pool(), fresh.name("sub")
    body = {"pool_id": pool["id"], "subscriber_id": subscriber, "ttl": 600}
    asked: list[tuple[str, str, str, Any]] = [
        ("post", ALLOCATIONS, ALLOCATIONS, body),
        ("get", ALLOCATIONS, ALLOCATIONS, None),
        ("get", "/api/v1/allocations/{subscriber_id}", f"{ALLOCATIONS}/{subscriber}", None),
        ("get", "/api/v1/pools/{pool_id}", f"/api/v1/pools/{pool['id']}", None),
        ("get", "/api/v1/pools/{pool_id}/usage", f"/api/v1/pools/{pool['id']}/usage", None),
        ("get", "/api/v1/pools/{pool_id}/shards", f"/api/v1/pools/{pool['id']}/shards", None),
        ("get", "/api/v1/nodes", "/api/v1/nodes", None),
        ("get", "/api/v1/hashring", "/api/v1/hashring", None),
        ("get", "/api/v1/voters", "/api/v1/voters", None),
        ("get", "/ready", "/ready", None),
        ("get", "/api/v1/pools/{pool_id}", "/api/v1/pools/nowhere", None),
    ]
    for method, template, path, value in asked:
        answer = api.request(method.upper(), path, value)
        reply = document["paths"][template][method]["responses"][str(answer.status)]
        while "$ref" in reply:
            reply = document["components"]["responses"][reply["$ref"].rsplit("/", 1)[1]]
        schema = reply["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole).validate(answer.json())


def test_unknown_routes(api: ApiClient) -> None:
    for path in ("/", "/nope", "/api/v1/nope", "/api/v2/pools", "/api/v1/pools/a/b/c"):
        answer = api.get(path)
        answer.error(404, "route_not_found")
        assert answer.headers["content-type"].startswith("application/json")


def test_wrong_method_names_the_right_ones(api: ApiClient) -> None:
    answer = api.request("PATCH", "/api/v1/pools")
    answer.error(405, "method_not_allowed")
    allowed = {word.strip() for word in answer.headers["allow"].split(",")}
    assert {"GET", "HEAD", "POST", "OPTIONS"} <= allowed
    api.delete("/api/v1/pools").error(405, "method_not_allowed")


def test_head_and_options(api: ApiClient, make_pool: MakePool) -> None:
    pool = make_pool()
    for path in ("/health", "/ready", "/api/v1/pools", f"/api/v1/pools/{pool['id']}"):
        whole, head = api.get(path), api.request("HEAD", path)
        assert head.status == 200
        assert head.body == b""
        assert head.headers["content-length"] == str(len(whole.body))
    options = api.request("OPTIONS", "/api/v1/pools")
    assert (options.status, options.body) == (204, b"")
    assert "POST" in options.headers["allow"]


def test_head_of_a_stream_ends(api: ApiClient) -> None:
    head = api.request("HEAD", "/api/v1/watch")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
    assert api.get("/health").status == 200


def test_doubled_slashes_are_collapsed_and_nothing_redirects(
    api: ApiClient, make_pool: MakePool
) -> None:
    pool = make_pool()
    for path in ("//health", "//api/v1/pools", f"/api//v1///pools//{pool['id']}"):
        assert api.get(path).status == 200, path
    for path in ("/api/v1/pools/", "/health/", "/api/v1//", "//"):
        assert not 300 <= api.get(path).status < 400, path


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "application/x-www-form-urlencoded", "text/plain", "garbage"],
)
def test_any_content_type_will_do(
    api: ApiClient, make_pool: MakePool, fresh: Fresh, content_type: str
) -> None:
    pool = make_pool()
    body = f'{{"pool_id":"{pool["id"]}","subscriber_id":"{fresh.name("sub")}"}}'.encode()
    headers = {"Content-Type": content_type} if content_type else {}
    assert api.request("POST", ALLOCATIONS, body=body, headers=headers).status == 201


NO_JSON = (
    b"",
    b"{",
    b"{'a':1}",
    b'{"pool_id":"a"',
    b"\xff\xfe",
    b'{"pool_id":"\xff"}',
    b"{}x",
    b"[" * 100_000,
)


@pytest.mark.parametrize("body", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json(api: ApiClient, body: bytes) -> None:
    error = api.request("POST", ALLOCATIONS, body=body).error(400, "malformed_json")
    assert error["error"] == "invalid request body: malformed JSON"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"7", b"true"])
def test_json_that_is_no_object(api: ApiClient, body: bytes) -> None:
    api.request("POST", ALLOCATIONS, body=body).error(400, "validation_failed")


def test_bodies_above_a_mebibyte_are_413(api: ApiClient, shared_daemon: Daemon) -> None:
    padding = b" " * (1 << 20)
    for path in (ALLOCATIONS, "/api/v1/pools", "/api/v1/bootstrap", "/api/v1/devices/import"):
        answer = api.request("POST", path, body=b"{" + padding + b"}")
        error = answer.error(413, "body_too_large")
        assert "too large" in error["error"]
        api.close()
    head = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    reply = raw_exchange(shared_daemon.http_port, head + chunk * 5 + b"0\r\n\r\n", limit_s=3)
    assert b" 413 " in reply.split(b"\r\n", 1)[0]


def test_a_megabyte_exactly_is_read(api: ApiClient, make_pool: MakePool, fresh: Fresh) -> None:
    pool = make_pool()
    body = f'{{"pool_id":"{pool["id"]}","subscriber_id":"{fresh.name("sub")}"}}'.encode()
    answer = api.request("POST", ALLOCATIONS, body=body.ljust(1 << 20))
    assert answer.status == 201


def test_a_chunked_body_is_read(shared_daemon: Daemon, make_pool: MakePool) -> None:
    pool = make_pool()
    body = f'{{"pool_id":"{pool["id"]}","subscriber_id":"chunked"}}'.encode()
    sent = f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    sent += "Connection: close\r\n\r\n"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    reply = raw_exchange(shared_daemon.http_port, sent.encode() + chunks)
    assert b" 201 " in reply.split(b"\r\n", 1)[0]


def test_pipelined_requests_are_answered_in_order(shared_daemon: Daemon) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reply = raw_exchange(shared_daemon.http_port, one * 5 + last)
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", reply)] == [200] * 5 + [404]


def test_expect_100_continue(shared_daemon: Daemon, make_pool: MakePool) -> None:
    """curl sends it for bodies above a kilobyte and then waits for the word."""
    pool = make_pool()
    body = f'{{"pool_id":"{pool["id"]}","subscriber_id":"expects"}}'.encode()
    head = (
        f"POST {ALLOCATIONS} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = ("127.0.0.1", shared_daemon.http_port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_request_ids_are_echoed_or_made(api: ApiClient) -> None:
    given = api.get("/api/v1/pools/nowhere", headers={"X-Request-ID": "abc-1"})
    assert given.headers["x-request-id"] == "abc-1"
    assert given.json()["cause_id"] == "abc-1"
    made = [api.get("/api/v1/pools/nowhere") for _ in range(2)]
    ids = [answer.json()["cause_id"] for answer in made]
    assert [answer.headers["x-request-id"] for answer in made] == ids
    assert ids[0] != ids[1]
    for bad in ("x" * 129, "a\tb", "ü".encode().decode("latin-1")):
        answer = api.get("/api/v1/pools/nowhere", headers={"X-Request-ID": bad})
        assert answer.json()["cause_id"] != bad
        assert len(answer.json()["cause_id"]) <= 128


def test_good_replies_are_compact_json_with_their_type(api: ApiClient, make_pool: MakePool) -> None:
    pool = make_pool()
    answer = api.get(f"/api/v1/pools/{pool['id']}")
    assert answer.headers["content-type"].startswith("application/json")
    assert b": " not in answer.body.split(b'"metadata"')[0]
    assert answer.body.endswith(b"}\n")


def test_health_and_ready(api: ApiClient) -> None:
    health = api.get("/health")
    assert (health.status, health.body.strip()) == (200, b"ok")
    assert api.get("/api/v1/health").expect(200)["status"] == "healthy"
    ready = api.get("/ready").expect(200)
    assert ready["ready"] is True


def test_nodes(api: ApiClient) -> None:
    nodes = api.get("/api/v1/nodes").expect(200)
    assert nodes["count"] == nodes["total"] == 1
    node = nodes["nodes"][0]
    assert (node["role"], node["status"]) == ("core", "active")
    path = f"/api/v1/nodes/{node['id']}"
    assert api.get(path).expect(200)["id"] == node["id"]
    assert api.post(f"{path}/heartbeat").expect(200)["id"] == node["id"]
    for verb in ("heartbeat", "drain", "fence"):
        api.post(f"/api/v1/nodes/nobody/{verb}").error(404, "node_not_found")
    api.get("/api/v1/nodes/nobody").error(404, "node_not_found")
    for verb in ("drain", "fence"):
        api.post(f"{path}/{verb}").error(409, "last_owner")
    api.delete("/api/v1/nodes/nobody/drain").error(404, "node_not_found")
    assert api.delete(f"{path}/drain").expect(200)["status"] == "active"
    ring = api.get("/api/v1/hashring").expect(200)
    assert [member["id"] for member in ring["nodes"]] == [node["id"]]
    assert ring["load_bound"] >= 1


def test_the_voters_of_one_node(api: ApiClient) -> None:
    (node,) = api.get("/api/v1/nodes").expect(200)["nodes"]
    voters = api.get("/api/v1/voters").expect(200)
    assert voters == {"number": 1, "voters": [node["id"]]}
    assert api.put("/api/v1/voters", {"voters": [node["id"]]}).expect(200) == voters
    three = {"voters": [node["id"], "nobody-1", "nobody-2"]}
    api.put("/api/v1/voters", three).error(404, "node_not_found")
    api.put("/api/v1/voters", {"voters": []}).error(400, "validation_failed")
    api.put("/api/v1/voters", {"voters": [node["id"], "a b"]}).error(400, "validation_failed")


def test_retired_allocations_are_listed_and_confirmed(
    api: ApiClient, make_pool: MakePool, fresh: Fresh
) -> None:
    pool, subscriber = make_pool(), fresh.name("sub")
    body = {"pool_id": pool["id"], "subscriber_id": subscriber}
    made = api.post(ALLOCATIONS, body).expect(201)
    page = api.get(f"{ALLOCATIONS}?retired=true&pool_id={pool['id']}").expect(200)
    assert page == {"allocations": [], "count": 0, "total": 0}
    path = f"{ALLOCATIONS}/{subscriber}/confirm-retired"
    confirm = {"pool_id": pool["id"], "resource": made["resource"]}
    api.post(path, confirm).error(404, "allocation_not_found")
    api.post(path, {**confirm, "pool_id": "nowhere"}).error(404, "pool_not_found")
    api.post(path, {**confirm, "resource": "no address"}).error(400, "validation_failed")
    api.get(f"{ALLOCATIONS}/{subscriber}").expect(200)


def test_metrics_count_and_never_show_what_was_asked(
    api: ApiClient, shared_daemon: Daemon, make_pool: MakePool, fresh: Fresh
) -> None:
    pool = make_pool(cidr=fresh.cidr(28))
    subscriber = fresh.name("subscriber-secret")
    body = {"pool_id": pool["id"], "subscriber_id": subscriber, "ttl": 60}
    api.post(ALLOCATIONS, body).expect(201)
    api.get(f"/api/v1/{subscriber}").error(404, "route_not_found")
    page = shared_daemon.metrics()
    label = f'{{pool_id="{pool["id"]}",type="ipv4"}}'
    assert f"nexus_pool_total{label} 16.0" in page
    assert f"nexus_pool_allocated{label} 1.0" in page
    assert f"nexus_pool_available{label} 12.0" in page
    for name in (
        "nexus_allocations_total",
        "nexus_allocation_duration_seconds_bucket",
        "nexus_nodes_total",
        "nexus_node_last_heartbeat_seconds",
        "nexus_clset_puts_total",
        "nexus_api_requests_total",
        "nexus_api_request_duration_seconds_bucket",
        "nexus_pool_utilization_ratio",
    ):
        assert f"\n{name}" in page, name
    assert subscriber not in page
    assert 'path="/api/v1/allocations"' in page
