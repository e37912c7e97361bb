"""Devices over HTTP: one record behind three dialects, sites, pairs, import."""

from __future__ import annotations

import hashlib

import pytest

from tests.support.api_client import Answer, ApiClient
from tests.support.fresh import Fresh

DEVICES = "/api/v1/devices"


def node_id_of(serial: str, mac: str) -> str:
    digest = hashlib.sha256(f"{serial}:{mac.upper()}".encode()).hexdigest()
    return f"node-{digest[:16]}"


def call(api: ApiClient, serial: str, mac: str, path: str = "/api/v1/bootstrap") -> Answer:
    return api.post(path, {"serial": serial, "mac": mac})


def test_three_dialects_one_record(api: ApiClient, fresh: Fresh) -> None:
    serial, mac = fresh.serial(), fresh.mac()
    first = call(api, serial, mac).expect(201)
    assert first["status"] == "pending"
    assert first["retry_after"] == 30
    assert first["node_id"] == node_id_of(serial, mac)
    assert call(api, serial, mac, "/api/v1/bootstrap/register").status == 200
    assert call(api, serial, mac, f"{DEVICES}/register").expect(202)["status"] == "pending"
    for path in (
        f"{DEVICES}/{serial}",
        f"{DEVICES}/{first['node_id']}",
        f"/api/v1/bootstrap/devices/{serial}",
        f"/api/v1/bootstrap/devices/{first['node_id']}",
    ):
        record = api.get(path).expect(200)
        assert (record["serial"], record["status"]) == (serial, "pending")
        assert record["mac"] == mac.upper()
        assert "public_key" not in record


@pytest.mark.parametrize(
    "mac", ["AA-BB-CC-00-11-22", "aabbcc001122", "aa:bb:cc:00:11:22", "aabb.cc00.1122"]
)
def test_mac_spellings_are_one_address(api: ApiClient, fresh: Fresh, mac: str) -> None:
    serial = fresh.serial()
    answer = call(api, serial, mac)
    if answer.status == 400 and "." in mac:
        return
    assert answer.expect(201)["node_id"] == node_id_of(serial, "AA:BB:CC:00:11:22")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"serial": ""}, "serial"),
        ({"serial": "abc"}, "serial"),
        ({"serial": "x" * 65}, "serial"),
        ({"serial": "a  b c d"}, "serial"),
        ({"serial": 12345}, "serial"),
        ({"mac": ""}, "mac"),
        ({"mac": "nonsense"}, "mac"),
        ({"mac": "aa:bb:cc"}, "mac"),
        ({"mac": 7}, "mac"),
        ({"model": 7}, "model"),
        ({"model": "x" * 65}, "model"),
        ({"firmware": ["x"]}, "firmware"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/bootstrap", "/api/v1/bootstrap/register"])
def test_bad_registrations(
    api: ApiClient, fresh: Fresh, fields: dict[str, object], word: str, path: str
) -> None:
    body = {"serial": fresh.serial(), "mac": fresh.mac(), **fields}
    error = api.post(path, body).error(400, "validation_failed")
    assert f"field '{word}'" in error["error"], error


def test_matched_by_serial_alone(api: ApiClient, fresh: Fresh) -> None:
    """G36: a known MAC with another serial is another device."""
    mac = fresh.mac()
    first = call(api, fresh.serial(), mac).expect(201)
    second = call(api, fresh.serial(), mac).expect(201)
    assert first["node_id"] != second["node_id"]


def test_pairs_keep_one_active(api: ApiClient, fresh: Fresh) -> None:
    """G39, G40: re-assigning or moving never leaves a site without its active device."""
    site, other = fresh.name("site"), fresh.name("site")
    serials = [fresh.serial() for _ in range(3)]
    for serial in serials:
        call(api, serial, fresh.mac()).expect(201)

    def role(serial: str) -> object:
        return api.get(f"{DEVICES}/{serial}").expect(200).get("role")

    first = api.put(f"{DEVICES}/{serials[0]}", {"site_id": site}).expect(200)
    assert (first["role"], first["status"]) == ("active", "configured")
    second = api.put(f"{DEVICES}/{serials[1]}", {"site_id": site}).expect(200)
    assert second["role"] == "standby"
    assert second["partner_node_id"] == first["node_id"]
    api.put(f"{DEVICES}/{serials[2]}", {"site_id": site}).error(409, "site_full")
    again = api.put(f"{DEVICES}/{serials[0]}", {"site_id": site}).expect(200)
    assert again["role"] == "active"
    assert role(serials[1]) == "standby"

    api.put(f"{DEVICES}/{serials[0]}", {"site_id": other}).expect(200)
    assert role(serials[1]) == "active", "the one left behind is promoted"
    left = api.get(f"{DEVICES}/{serials[1]}").expect(200)
    assert "partner_node_id" not in left
    assert api.delete(f"{DEVICES}/{serials[1]}").status in (200, 204)
    api.get(f"{DEVICES}/{serials[1]}").error(404, "device_not_found")


def test_whitelist_before_the_device_ever_called(api: ApiClient, fresh: Fresh) -> None:
    """G41: it learns its MAC and final node id at first contact."""
    serial, mac, site = fresh.serial(), fresh.mac(), fresh.name("site")
    api.post(f"{DEVICES}/whitelist", {"serial": serial}).expect(201)
    api.post(f"{DEVICES}/whitelist", {"serial": serial}).error(409, "device_exists")
    assert serial in [each["serial"] for each in api.pages(f"{DEVICES}/pending", "devices")]
    api.put(f"{DEVICES}/{serial}", {"site_id": site}).expect(200)
    reply = call(api, serial, mac).expect(200)
    assert reply["status"] == "configured"
    assert reply["node_id"] == node_id_of(serial, mac)
    assert api.get(f"{DEVICES}/{reply['node_id']}").expect(200)["mac"] == mac.upper()


def test_revoked_and_relisted(api: ApiClient, fresh: Fresh) -> None:
    """G43: a revoked device can return, through the list."""
    serial, mac = fresh.serial(), fresh.mac()
    call(api, serial, mac).expect(201)
    api.post(f"{DEVICES}/{serial}/approve").expect(200)
    api.post(f"{DEVICES}/{serial}/approve").expect(200)
    api.post(f"{DEVICES}/{serial}/revoke").expect(200)
    api.post(f"{DEVICES}/{serial}/approve").error(409, "device_not_approvable")
    call(api, serial, mac).error(403, "device_revoked")
    assert call(api, serial, mac, f"{DEVICES}/register").expect(200)["status"] == "rejected"
    api.get(f"/api/v1/bootstrap/devices/{serial}/config").error(403, "device_revoked")
    api.post(f"{DEVICES}/whitelist", {"serial": serial}).expect(200)
    assert call(api, serial, mac).expect(200)["status"] == "pending"
    for verb in ("approve", "revoke", "reject"):
        api.post(f"{DEVICES}/no-such-serial/{verb}").error(404, "device_not_found")


def test_config_of_a_device(api: ApiClient, fresh: Fresh) -> None:
    serial, site = fresh.serial(), fresh.name("site")
    path = f"/api/v1/bootstrap/devices/{serial}/config"
    api.get(path).error(404, "device_not_found")
    call(api, serial, fresh.mac()).expect(201)
    api.get(path).error(409, "device_pending")
    api.put(f"{DEVICES}/{serial}", {"site_id": site}).expect(200)
    config = api.get(path).expect(200)
    assert (config["site_id"], config["role"]) == (site, "active")
    assert isinstance(config["pools"], list)
    assert config["timestamp"].endswith("Z")


def test_csv_import(api: ApiClient, fresh: Fresh) -> None:
    site, serials = fresh.name("site"), [fresh.serial() for _ in range(4)]
    rows = ["Serial,Site_ID", *(f"{serial},{site}" for serial in serials[:3]), "x,y", ""]
    reply = api.request("POST", f"{DEVICES}/import", body="\n".join(rows).encode()).expect(200)
    assert (reply["imported"], reply["paired"]) == (2, 1)
    assert any(serials[2] in error for error in reply["errors"])
    assert all(error.startswith("line ") for error in reply["errors"])
    again = api.request("POST", f"{DEVICES}/import", body="\n".join(rows[:3]).encode()).expect(200)
    assert "errors" not in again
    assert api.get(f"{DEVICES}/{serials[0]}").expect(200)["role"] == "active"
    boundary = "xxBOUNDARYxx"
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="d.csv"\r\n'
        f"Content-Type: text/csv\r\n\r\n{serials[3]},{fresh.name('site')}\r\n--{boundary}--\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    reply = api.request("POST", f"{DEVICES}/import", body=form.encode(), headers=headers)
    assert reply.expect(200)["imported"] == 1
    assert api.request("POST", f"{DEVICES}/import", body=b"").status == 400
    ragged = api.request("POST", f"{DEVICES}/import", body=b"a,b\nc\nd,e,f\n")
    assert ragged.status == 400, ragged


def test_lists_filter(api: ApiClient, fresh: Fresh) -> None:
    site, serial = fresh.name("site"), fresh.serial()
    call(api, serial, fresh.mac()).expect(201)
    api.put(f"{DEVICES}/{serial}", {"site_id": site}).expect(200)
    at_site = api.get(f"{DEVICES}?site_id={site}").expect(200)
    assert [each["serial"] for each in at_site["devices"]] == [serial]
    assert at_site["count"] == 1
    nobody = api.get(f"{DEVICES}?site_id=empty-site").expect(200)
    assert nobody["devices"] == []
    configured = api.pages(f"{DEVICES}?status=configured", "devices", limit=3)
    assert serial in [each["serial"] for each in configured]
    same = api.pages("/api/v1/bootstrap/devices", "devices", limit=3)
    assert serial in [each["serial"] for each in same]
    api.get(f"{DEVICES}?status=nonsense").error(400, "validation_failed")
