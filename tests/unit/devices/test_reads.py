"""Lists, pages, and the configuration document."""

from __future__ import annotations

import pytest

from nexus.core.operations.devices import (
    ApproveDevice,
    AssignSite,
    GetDevice,
    GetDeviceConfig,
    ListDevices,
    ListPending,
    RegisterDevice,
    RejectDevice,
    RevokeDevice,
)
from nexus.devices.reads import answer
from nexus.devices.registry import DeviceRegistry
from nexus.devices.views import DeviceConfigView
from nexus.errors import NexusError
from nexus.model.pool import PoolSpec
from nexus.model.views import Page, PoolView


def pool(pool_id: str, **metadata: str) -> PoolView:
    spec = PoolSpec(id=pool_id, type="ipv4", cidr="10.0.0.0/16", metadata=metadata)
    return PoolView(spec, 1, 256, 65536, "10.0.0.1", 0)


@pytest.fixture
def registry():
    registry = DeviceRegistry()
    for n in range(5):
        registry.execute(RegisterDevice(serial=f"OLT-000{n}", mac="AA:BB:CC:DD:EE:FF"), n)
    for serial in ("OLT-0001", "OLT-0000"):
        registry.execute(AssignSite(serial, "s1"), 9)
    registry.execute(ApproveDevice("OLT-0002"), 9)
    return registry


def page(registry, op) -> Page:
    found = answer(registry, op)
    assert isinstance(found, Page)
    return found


def serials(found: Page) -> list[str]:
    return [record.serial[-1] for record in found.items]


def test_lists_are_by_serial_with_filters_and_true_totals(registry):
    assert serials(page(registry, ListDevices())) == ["0", "1", "2", "3", "4"]
    by_site = page(registry, ListDevices(site_id="s1"))
    assert serials(by_site) == ["0", "1"] and by_site.total == 2
    assert serials(page(registry, ListDevices(state="approved"))) == ["2"]
    assert serials(page(registry, ListPending())) == ["3", "4"]
    assert page(registry, ListDevices(site_id="nowhere")).items == ()
    assert page(registry, ListDevices(site_id="s1", state="pending")).total == 0


@pytest.mark.parametrize(
    "filters",
    [{}, {"state": "pending"}, {"site_id": "s1"}, {"site_id": "s1", "state": "configured"}],
)
def test_pages_are_the_list_cut_in_pieces(registry, filters):
    whole = page(registry, ListDevices(**filters))
    pieces: list = []
    cursor = None
    while True:
        piece = page(registry, ListDevices(**filters, limit=1, cursor=cursor))
        assert piece.total == whole.total
        pieces += piece.items
        cursor = piece.next_cursor
        if cursor is None:
            break
    assert tuple(pieces) == whole.items and whole.next_cursor is None


def test_a_page_goes_on_though_its_last_device_is_gone(registry):
    assert serials(page(registry, ListDevices(limit=2, cursor="OLT-0002x"))) == ["3", "4"]


@pytest.mark.parametrize(
    "op", [ListDevices(state="sleeping"), ListDevices(cursor="!"), ListPending(cursor="a b")]
)
def test_a_bad_filter_or_cursor_is_refused(registry, op):
    with pytest.raises(NexusError) as refused:
        answer(registry, op)
    assert refused.value.code == "validation_failed"


def test_config_lists_the_pools_of_the_site_and_those_of_nobody(registry):
    pools = [pool("mine", site="s1"), pool("theirs", site="s2"), pool("common", owner="x")]
    config = answer(registry, GetDeviceConfig("OLT-0001"), pools=pools, peers=("a:1",), at_us=7)
    assert isinstance(config, DeviceConfigView)
    assert [view.spec.id for view in config.pools] == ["mine", "common"]
    assert config.partner == answer(registry, GetDevice("OLT-0000"))
    assert (config.device.role, config.peers, config.at_us) == ("active", ("a:1",), 7)


@pytest.mark.parametrize(
    ("device_id", "code"),
    [
        ("OLT-0002", "device_pending"),
        ("OLT-0003", "device_pending"),
        ("OLT-0004", "device_revoked"),
        ("OLT-0000", "device_rejected"),
        ("OLT-9999", "device_not_found"),
    ],
)
def test_config_is_for_configured_devices_only(registry, device_id, code):
    registry.execute(RevokeDevice("OLT-0004"), 10)
    registry.execute(RejectDevice("OLT-0000"), 10)
    with pytest.raises(NexusError) as refused:
        answer(registry, GetDeviceConfig(device_id))
    assert refused.value.code == code
