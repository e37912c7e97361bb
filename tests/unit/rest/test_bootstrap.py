"""The shipped clients' bootstrap dialects, decoded as strictly as they decode.

What each client does with an answer is in its shapes (`tests.support.bng_shapes`) and in the
statuses it takes: ztp 200 and 201, the agent 200 and 202, everything else is an error to them.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from nexus.devices.records import node_id_of
from nexus.model.pool import PoolSpec
from nexus.model.time import NS_PER_S
from nexus.model.views import PoolView
from nexus.rest import bootstrap
from tests.support import bng_shapes
from tests.support.device_world import DeviceWorld
from tests.support.go_json import unmarshal

ZTP_SERIAL = "machine-0123456789abcdef"
AGENT_SERIAL = "MID-0123456789abcdef0123456789abcdef"
MAC = "aa:bb:cc:dd:ee:ff"


@pytest.fixture
def world():
    world = DeviceWorld()
    specs = (
        PoolSpec(id="v4", type="ipv4", cidr="10.0.0.0/16", prefix=32, dns=("9.9.9.9",)),
        PoolSpec(id="v6", type="ipv6", cidr="2001:db8::/32", prefix=56),
        PoolSpec(id="tags", type="vlan", range="100-199"),
        PoolSpec(id="pairs", type="svlan", range="600-699", c_vlan="1-10"),
        PoolSpec(id="ports", type="port", range="10000-20000"),
    )
    world.pools = [PoolView(spec, 1, 1, 1, None, 0) for spec in specs]
    return world


def ztp(world, serial=ZTP_SERIAL, path="/api/v1/bootstrap", **more):
    body = {"serial": serial, "mac": MAC, "model": "X1", "firmware": "1.2", **more}
    reply = world.raw("POST", path, json.dumps(body).encode())
    if reply.status not in (200, 201):
        return reply.status, json.loads(reply.body)
    return reply.status, unmarshal(bng_shapes.ZTP_REPLY, reply.body)


def agent(world, serial=AGENT_SERIAL):
    body = {
        "serial": serial,
        "mac": MAC,
        "model": "unknown",
        "firmware": "6.1.0-18-amd64",
        "agent_version": "0.1.0",
        "capabilities": ["generic"],
        "timestamp": "2026-01-02T03:04:05.123456789Z",
    }
    reply = world.raw("POST", "/api/v1/devices/register", json.dumps(body).encode())
    assert reply.status in (200, 202), reply.body
    return reply.status, unmarshal(bng_shapes.AGENT_REPLY, reply.body)


@pytest.mark.parametrize("path", ["/api/v1/bootstrap", "/api/v1/bootstrap/register"])
def test_ztp_polls_through_approval_until_it_has_a_site(world, path):
    status, first = ztp(world, path=path)
    assert (status, first["status"], first["retry_after"]) == (201, "pending", 30)
    assert first["message"] == "Device registered, awaiting configuration"
    assert first["node_id"] == node_id_of(ZTP_SERIAL, MAC.upper())
    world.ask("POST", f"/api/v1/devices/{ZTP_SERIAL}/approve")
    status, second = ztp(world, path=path)
    assert (status, second["status"], second["retry_after"]) == (200, "pending", 30)
    world.ask("PUT", f"/api/v1/devices/{ZTP_SERIAL}", {"site_id": "s1"})
    status, done = ztp(world, path=path)
    assert (status, done["status"], done["retry_after"]) == (200, "configured", 0)
    assert (done["site_id"], done["role"], done["partner"]) == ("s1", "active", None)
    assert [share["pool_id"] for share in done["pools"]] == ["v4", "v6", "tags", "pairs", "ports"]
    assert done["pools"][1]["cidr"] == "2001:db8::/32"


def test_the_agent_is_done_when_approved_and_gets_its_part_of_the_pair(world):
    status, first = agent(world)
    assert (status, first["status"]) == (202, "pending")
    world.ask("POST", f"/api/v1/devices/{AGENT_SERIAL}/approve")
    status, approved = agent(world)
    assert (status, approved["status"], approved["config"]) == (200, "approved", None)
    assert approved["device_id"] == first["device_id"] == node_id_of(AGENT_SERIAL, MAC.upper())
    ztp(world)
    world.ask("PUT", f"/api/v1/devices/{ZTP_SERIAL}", {"site_id": "s1"})
    world.ask("PUT", f"/api/v1/devices/{AGENT_SERIAL}", {"site_id": "s1"})
    status, paired = agent(world)
    assert (status, paired["status"], paired["ha_role"]) == (200, "approved", "standby")
    assert paired["ha_partner"]["node_id"] == node_id_of(ZTP_SERIAL, MAC.upper())
    pools = paired["config"]["pools"]
    assert (pools["ipv4"], pools["ipv6"], pools["vlans"]) == (["v4"], ["v6"], ["tags", "pairs"])


@pytest.mark.parametrize(("verb", "word"), [("reject", "rejected"), ("revoke", "revoked")])
def test_whoever_is_shut_out_hears_it_in_his_own_dialect(world, verb, word):
    ztp(world)
    agent(world)
    for serial in (ZTP_SERIAL, AGENT_SERIAL):
        world.ask("POST", f"/api/v1/devices/{serial}/{verb}")
    status, refused = ztp(world)
    assert (status, refused["code"]) == (403, f"device_{word}")
    status, told = agent(world)
    assert (status, told["status"]) == (200, "rejected") and told["message"]


def test_a_pre_imported_device_is_configured_at_its_first_call(world):
    csv = f"{ZTP_SERIAL},s1\n{AGENT_SERIAL},s1\n".encode()
    world.raw("POST", "/api/v1/devices/import", csv)
    status, done = ztp(world)
    assert (status, done["status"], done["role"]) == (200, "configured", "active")
    # The partner has not called yet; its link follows when it does.
    status, partner = agent(world)
    assert (status, partner["ha_role"]) == (200, "standby")
    assert ztp(world)[1]["partner"]["node_id"] == partner["device_id"]


def test_both_dialects_speak_of_one_device(world):
    ztp(world, serial=AGENT_SERIAL)
    status, known = agent(world)
    assert status == 202 and known["device_id"] == node_id_of(AGENT_SERIAL, MAC.upper())
    assert len(world.registry) == 1


def test_an_agent_without_network_card_and_without_capabilities_is_served(world):
    body = {"serial": AGENT_SERIAL, "mac": "00:00:00:00:00:00", "capabilities": None}
    status, reply = world.ask("POST", "/api/v1/devices/register", body)
    assert (status, reply["status"]) == (202, "pending")


def test_a_thousand_edges_after_a_power_cut_pass_and_a_flood_does_not(world):
    for n in range(1000):
        assert ztp(world, serial=f"OLT-{n:04}")[0] == 201
        assert ztp(world, serial=f"OLT-{n:04}")[0] == 200
    reply = world.raw("POST", "/api/v1/bootstrap", b"{}")
    assert reply.status == 429 and ("Retry-After", "1") in reply.headers
    # All three paths drink from one bucket, reading does not.
    assert world.raw("POST", "/api/v1/devices/register", b"{}").status == 429
    assert world.ask("GET", "/api/v1/devices/OLT-0000")[0] == 200
    world.now_ns += NS_PER_S
    assert [ztp(world, serial="OLT-0000")[0] for _ in range(101)].count(200) == 100
    assert bootstrap.REGISTRATIONS_PER_S == 100


@pytest.mark.parametrize("serial", ["VMware-56 4d 1f 2e-77 88", "/8XYZ123/CN1234567890AB/"])
def test_a_serial_as_dmi_has_it_is_found_by_its_path(world, serial):
    status, known = ztp(world, serial=serial)
    assert status == 201
    path = f"/api/v1/bootstrap/devices/{quote(serial, safe='')}"
    status, device = world.ask("GET", path)
    assert (status, device["serial"], device["node_id"]) == (200, serial, known["node_id"])
