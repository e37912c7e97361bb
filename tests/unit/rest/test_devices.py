"""Routes of the devices: paths, statuses, shapes."""

from __future__ import annotations

import json

import jsonschema
import pytest

from nexus.model.pool import PoolSpec
from nexus.model.views import PoolView
from nexus.rest import devices, openapi
from tests.support.device_world import DeviceWorld

MAC = "aa:bb:cc:dd:ee:ff"


@pytest.fixture
def world():
    return DeviceWorld()


def call(world, serial="OLT-0001", path="/api/v1/bootstrap/register"):
    status, reply = world.ask("POST", path, {"serial": serial, "mac": MAC})
    assert status in (200, 201, 202)
    return reply


def pool(pool_id: str, kind: str = "ipv4", **fields) -> PoolView:
    return PoolView(PoolSpec(id=pool_id, type=kind, **fields), 1, 1, 1, None, 0)


def test_one_record_stands_behind_every_path(world):
    node_id = call(world)["node_id"]
    shown = []
    for prefix in ("/api/v1/devices", "/api/v1/bootstrap/devices"):
        for device_id in (node_id, "OLT-0001"):
            status, reply = world.ask("GET", f"{prefix}/{device_id}")
            assert status == 200
            shown.append(reply)
        status, page = world.ask("GET", prefix)
        assert (status, page["count"], page["total"]) == (200, 1, 1)
        shown += page["devices"]
    assert all(reply == shown[0] for reply in shown)
    assert shown[0]["mac"] == "AA:BB:CC:DD:EE:FF" and shown[0]["status"] == "pending"
    assert "public_key" not in shown[0] and "approved_at" not in shown[0]


def test_life_of_a_pair(world):
    for n in (1, 2, 3):
        call(world, f"OLT-000{n}")
    assert world.ask("PUT", "/api/v1/devices/OLT-0001", {"site_id": "s1"})[1]["role"] == "active"
    status, second = world.ask("PUT", "/api/v1/devices/OLT-0002", {"site_id": "s1"})
    assert status == 200 and second["role"] == "standby" and second["status"] == "configured"
    assert second["partner_node_id"] == world.registry.get("OLT-0001").node_id
    status, third = world.ask("PUT", "/api/v1/devices/OLT-0003", {"site_id": "s1"})
    assert (status, third["code"]) == (409, "site_full")
    assert third["error"] == "site s1 already has 2 devices"
    status, gone = world.ask("DELETE", "/api/v1/devices/OLT-0001")
    assert (status, gone["message"]) == (200, "device deleted successfully")
    assert world.ask("GET", "/api/v1/devices/OLT-0002")[1]["role"] == "active"


def test_g42_pending_is_a_list_and_no_device(world):
    assert world.ask("GET", "/api/v1/devices/pending") == (
        200,
        {"devices": [], "count": 0, "total": 0},
    )
    call(world)
    assert world.ask("GET", "/api/v1/devices/pending")[1]["count"] == 1


def test_whitelist_approve_revoke_and_back(world):
    status, listed = world.ask("POST", "/api/v1/devices/whitelist", {"serial": "OLT-0001"})
    assert (status, listed["status"], listed["mac"]) == (201, "pending", "")
    assert "first_seen" not in listed and listed["added_at"].endswith("Z")
    assert world.ask("POST", "/api/v1/devices/whitelist", {"serial": "OLT-0001"})[0] == 409
    status, approved = world.ask("POST", "/api/v1/devices/OLT-0001/approve")
    assert (status, approved["status"]) == (200, "approved") and "approved_at" in approved
    assert world.ask("POST", "/api/v1/devices/OLT-0001/revoke")[1]["status"] == "revoked"
    status, refused = world.ask("POST", "/api/v1/devices/OLT-0001/approve")
    assert (status, refused["code"]) == (409, "device_not_approvable")
    assert world.ask("POST", "/api/v1/devices/whitelist", {"serial": "OLT-0001"})[0] == 200
    assert world.ask("POST", "/api/v1/devices/OLT-0001/reject")[1]["status"] == "rejected"


def test_config_is_refused_until_there_is_a_site_and_then_complete(world):
    node_id = call(world)["node_id"]
    path = f"/api/v1/bootstrap/devices/{node_id}/config"
    assert world.ask("GET", path)[1]["code"] == "device_pending"
    world.ask("POST", "/api/v1/devices/OLT-0001/approve")
    assert world.ask("GET", path)[0] == 409
    world.ask("PUT", f"/api/v1/devices/{node_id}", {"site_id": "s1"})
    assert world.ask("GET", path)[1]["pools"] == []
    world.pools = [
        pool("mine", cidr="10.0.0.0/16", metadata={"site": "s1"}),
        pool("theirs", cidr="10.1.0.0/16", metadata={"site": "s2"}),
        pool("tags", "vlan", range="100-199"),
    ]
    status, config = world.ask("GET", path)
    assert status == 200 and config["timestamp"].endswith("Z")
    assert (config["node_id"], config["site_id"], config["role"]) == (node_id, "s1", "active")
    assert config["pools"] == [
        {"pool_id": "mine", "type": "ipv4", "cidr": "10.0.0.0/16"},
        {"pool_id": "tags", "type": "vlan", "range": "100-199"},
    ]
    assert "partner" not in config and "cluster" not in config
    world.ask("POST", f"/api/v1/devices/{node_id}/revoke")
    assert world.ask("GET", path)[1]["code"] == "device_revoked"
    assert world.ask("GET", "/api/v1/bootstrap/devices/nobody/config")[0] == 404


def test_a_partner_is_told_where_the_other_one_is(world):
    call(world)
    call(world, "OLT-0002")
    metadata = {"address": "10.0.0.1", "endpoint": "10.0.0.1:9000"}
    world.ask("PUT", "/api/v1/devices/OLT-0001", {"site_id": "s1", "metadata": metadata})
    world.ask("PUT", "/api/v1/devices/OLT-0002", {"site_id": "s1"})
    world.peers = ("nexus-1:9000",)
    config = world.ask("GET", "/api/v1/devices/OLT-0002/config")[1]
    node_id = world.registry.get("OLT-0001").node_id
    assert config["partner"] == {
        "node_id": node_id,
        "status": "configured",
        "address": "10.0.0.1",
    }
    assert config["cluster"] == {"peers": ["nexus-1:9000"]}
    agent = call(world, "OLT-0002", "/api/v1/devices/register")
    assert agent["ha_partner"] == {"node_id": node_id, "endpoint": "10.0.0.1:9000"}
    assert agent["clset_peers"] == ["nexus-1:9000"]


def test_lists_filter_and_page(world):
    for n in range(5):
        call(world, f"OLT-000{n}")
    world.ask("PUT", "/api/v1/devices/OLT-0003", {"site_id": "s1"})
    by_site = world.ask("GET", "/api/v1/devices?site_id=s1")[1]
    assert [device["serial"] for device in by_site["devices"]] == ["OLT-0003"]
    first = world.ask("GET", "/api/v1/devices?status=pending&limit=3")[1]
    assert (first["count"], first["total"]) == (3, 4)
    rest = world.ask(
        "GET", f"/api/v1/devices?status=pending&limit=3&cursor={first['next_cursor']}"
    )[1]
    assert [device["serial"] for device in rest["devices"]] == ["OLT-0004"]
    assert "next_cursor" not in rest


@pytest.mark.parametrize(
    ("method", "target", "value", "text"),
    [
        ("GET", "/api/v1/devices?status=asleep", None, "'status'"),
        ("GET", "/api/v1/devices?site_id=-", None, "'site_id'"),
        ("GET", "/api/v1/devices?limit=0", None, "'limit'"),
        ("GET", "/api/v1/devices?cursor=%21", None, "'cursor'"),
        ("GET", "/api/v1/devices/%21%21%21%21", None, "'node_id'"),
        ("PUT", "/api/v1/devices/OLT-0001", {}, "'site_id': is required"),
        ("PUT", "/api/v1/devices/OLT-0001", {"site_id": ""}, "'site_id'"),
        ("PUT", "/api/v1/devices/OLT-0001", {"site_id": 7}, "'site_id'"),
        ("PUT", "/api/v1/devices/OLT-0001", {"site_id": "a b"}, "'site_id'"),
        ("PUT", "/api/v1/devices/OLT-0001", {"site_id": "s", "metadata": {"": "x"}}, "metadata"),
        ("POST", "/api/v1/devices/whitelist", {}, "'serial': is required"),
        ("POST", "/api/v1/devices/whitelist", {"serial": "x"}, "'serial'"),
        ("POST", "/api/v1/devices/whitelist", {"serial": "OLT-0009", "mac": "zz"}, "'mac'"),
        ("POST", "/api/v1/bootstrap", {"mac": MAC}, "'serial': is required"),
        ("POST", "/api/v1/bootstrap", {"serial": "OLT-0009"}, "'mac': is required"),
        ("POST", "/api/v1/bootstrap", {"serial": "OLT-0009", "mac": "12"}, "'mac'"),
        ("POST", "/api/v1/bootstrap", {"serial": "a  b c d", "mac": MAC}, "'serial'"),
        ("POST", "/api/v1/bootstrap", {"serial": "node-0123456789abcdef", "mac": MAC}, "node id"),
        (
            "POST",
            "/api/v1/bootstrap",
            {"serial": "OLT-0009", "mac": MAC, "model": "m" * 65},
            "'model'",
        ),
        ("POST", "/api/v1/devices/register", [], "'body'"),
    ],
)
def test_bad_input_is_400_names_the_field_and_changes_nothing(world, method, target, value, text):
    call(world)
    before = world.registry.export()
    status, refused = world.ask(method, target, value)
    assert (status, refused["code"]) == (400, "validation_failed")
    assert text in refused["error"] and refused["definite"] is True
    assert world.registry.export() == before


def test_bytes_that_are_no_json_are_malformed(world):
    for body in (b"{", b"\xff\xfe", b""):
        for target in (
            "/api/v1/bootstrap",
            "/api/v1/devices/register",
            "/api/v1/devices/whitelist",
        ):
            reply = world.raw("POST", target, body)
            assert (reply.status, json.loads(reply.body)["code"]) == (400, "malformed_json")


def test_unknown_keys_and_unknown_devices(world):
    status, reply = world.ask(
        "POST", "/api/v1/bootstrap", {"serial": "OLT-0001", "mac": MAC, "region": "north"}
    )
    assert status == 201 and reply["warnings"] == ["unknown key 'region' ignored"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/approve"), ("POST", "/revoke")):
        status, refused = world.ask(method, f"/api/v1/devices/OLT-9999{path}")
        assert (status, refused["code"]) == (404, "device_not_found")


CSV = b"serial,site_id\nOLT-0001,s1\nOLT-0002,s1\nOLT-0003,s1\n!,s1\n"


@pytest.mark.parametrize("as_form", [False, True])
def test_import_of_a_file_raw_or_in_a_form(world, as_form):
    body, headers = CSV, {"Content-Type": "text/csv"}
    if as_form:
        body = (
            b'--B\r\nContent-Disposition: form-data; name="file"; filename="d.csv"\r\n\r\n'
            + CSV
            + b"\r\n--B--\r\n"
        )
        headers = {"Content-Type": "multipart/form-data; boundary=B"}
    reply = world.raw("POST", "/api/v1/devices/import", body, headers)
    result = json.loads(reply.body)
    assert (reply.status, result["imported"], result["paired"]) == (200, 2, 1)
    assert result["errors"][0] == "line 4 (serial OLT-0003): site s1 already has 2 devices"
    assert result["errors"][1].startswith("line 5: serial ")
    assert call(world)["status"] == "configured"


def test_import_without_faults_has_no_errors_and_an_empty_file_is_refused(world):
    reply = world.raw("POST", "/api/v1/devices/import", b"\xef\xbb\xbfOLT-0001,s1\r\n")
    assert json.loads(reply.body) == {"imported": 1, "paired": 0}
    reply = world.raw("POST", "/api/v1/devices/import", b"")
    assert (reply.status, json.loads(reply.body)["error"]) == (400, "CSV file is empty")


def test_a_long_import_goes_to_the_core_in_pieces(world, monkeypatch):
    monkeypatch.setattr(devices, "IMPORT_ROWS_AT_ONCE", 2)
    rows = "".join(f"OLT-{n:04},s{n // 2}\n" for n in range(5))
    reply = world.raw("POST", "/api/v1/devices/import", rows.encode())
    assert json.loads(reply.body) == {"imported": 5, "paired": 2}
    assert [len(operation.rows) for operation in world.asked] == [2, 2, 1]


def test_every_path_of_the_three_dialects_is_served():
    paths = {(route.method, route.path) for route in DeviceWorld().router.routes}
    assert {
        ("POST", "/api/v1/bootstrap/register"),
        ("POST", "/api/v1/bootstrap"),
        ("POST", "/api/v1/devices/register"),
        ("GET", "/api/v1/bootstrap/devices"),
        ("GET", "/api/v1/bootstrap/devices/{device_id}"),
        ("GET", "/api/v1/bootstrap/devices/{device_id}/config"),
        ("GET", "/api/v1/devices"),
        ("GET", "/api/v1/devices/{device_id}"),
        ("PUT", "/api/v1/devices/{device_id}"),
        ("DELETE", "/api/v1/devices/{device_id}"),
        ("POST", "/api/v1/devices/import"),
        ("POST", "/api/v1/devices/whitelist"),
        ("GET", "/api/v1/devices/pending"),
        ("POST", "/api/v1/devices/{device_id}/approve"),
        ("POST", "/api/v1/devices/{device_id}/reject"),
        ("POST", "/api/v1/devices/{device_id}/revoke"),
    } <= paths


def test_the_document_describes_every_route_and_what_it_answers(world):
    described = openapi.document(world.router.routes)
    for route in world.router.routes:
        operation = described["paths"][route.path][route.method.lower()]
        assert {str(status) for status in route.replies} <= set(operation["responses"])
    call(world)
    world.ask("PUT", "/api/v1/devices/OLT-0001", {"site_id": "s1"})
    components = {"components": described["components"]}
    for path, schema in (("OLT-0001", "DeviceReply"), ("OLT-0001/config", "DeviceConfigReply")):
        reply = world.ask("GET", f"/api/v1/devices/{path}")[1]
        jsonschema.validate(reply, {"$ref": f"#/components/schemas/{schema}", **components})
