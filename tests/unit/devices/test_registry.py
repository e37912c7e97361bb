"""The device state machine: one story of an edge's life each."""

from __future__ import annotations

import pytest

from nexus.core.operations.devices import (
    AGENT,
    ApproveDevice,
    AssignSite,
    DeleteDevice,
    ImportDevices,
    ImportRow,
    RegisterDevice,
    RejectDevice,
    RevokeDevice,
    WhitelistDevice,
)
from nexus.devices import registry as registry_module
from nexus.devices.records import DeviceRecord, node_id_of
from nexus.devices.registry import DeviceRegistry
from nexus.devices.views import (
    AssignmentView,
    ImportView,
    RegistrationView,
    WhitelistView,
)
from nexus.errors import NexusError

MAC = "AA:BB:CC:DD:EE:FF"
OTHER_MAC = "AA:BB:CC:DD:EE:00"


class World:
    """A registry with a clock that ticks; an error of an operation is raised."""

    def __init__(self, **settings) -> None:
        self.registry = DeviceRegistry(**settings)
        self.now_us = 1_000_000
        self.changes: tuple = ()

    def do(self, op):
        self.now_us += 1
        executed = self.registry.execute(op, self.now_us)
        self.registry.check_invariants()
        self.changes = executed.changes
        if isinstance(executed.outcome, NexusError):
            raise executed.outcome
        return executed.outcome

    def refused(self, op) -> str:
        with pytest.raises(NexusError) as refusal:
            self.do(op)
        return refusal.value.code

    def call(self, serial, mac=MAC, **fields) -> RegistrationView:
        view = self.do(RegisterDevice(serial=serial, mac=mac, **fields))
        assert isinstance(view, RegistrationView)
        return view

    def seat(self, serial, site_id) -> AssignmentView:
        view = self.do(AssignSite(serial, site_id))
        assert isinstance(view, AssignmentView)
        return view

    def known(self, serial) -> DeviceRecord:
        record = self.registry.get(serial)
        assert record is not None
        return record

    def links(self, *serials) -> list[tuple[str | None, str | None]]:
        return [(self.known(s).role, self.known(s).partner_node_id) for s in serials]


@pytest.fixture
def world():
    return World()


def test_an_unlisted_caller_becomes_pending_and_stays_itself(world):
    first = world.call("OLT-0001", model="X1")
    assert first.created and first.device.state == "pending"
    assert first.device.node_id == node_id_of("OLT-0001", MAC)
    again = world.call("OLT-0001", firmware="2.0")
    assert not again.created and again.device.node_id == first.device.node_id
    assert again.device.first_seen_us == first.device.first_seen_us
    assert again.device.last_seen_us > first.device.last_seen_us
    assert (again.device.model, again.device.firmware) == ("X1", "2.0")


def test_g36_a_known_mac_with_another_serial_is_another_device(world):
    world.call("OLT-0001", public_key="secret")
    stranger = world.call("EVIL-0001", mac=MAC)
    assert stranger.created and stranger.device.serial == "EVIL-0001"
    assert stranger.device.public_key == ""


def test_another_mac_later_is_told_but_changes_nothing(world):
    first = world.call("OLT-0001").device
    again = world.call("OLT-0001", mac=OTHER_MAC)
    assert again.device.mac == MAC and again.device.node_id == first.node_id
    assert "mac" in again.warnings[0]


def test_a_key_is_taken_until_it_is_approved_never_after(world):
    world.call("OLT-0001", public_key="k1")
    assert world.call("OLT-0001", public_key="k2").device.public_key == "k2"
    world.do(ApproveDevice("OLT-0001"))
    late = world.call("OLT-0001", public_key="k3")
    assert late.device.public_key == "k2" and "public_key" in late.warnings[0]


def test_delete_then_call_gives_the_same_node_id(world):
    before = world.call("OLT-0001").device
    gone = world.do(DeleteDevice("OLT-0001"))
    assert gone == before and world.registry.get("OLT-0001") is None
    assert world.changes[0].before == before and world.changes[0].after is None
    assert world.call("OLT-0001").device.node_id == before.node_id


def test_devices_are_found_by_node_id_and_by_serial(world):
    record = world.call("OLT-0001").device
    assert world.registry.get(record.node_id) == world.registry.get("OLT-0001") == record
    assert world.refused(ApproveDevice("OLT-0002")) == "device_not_found"


def test_a_serial_in_the_form_of_a_node_id_cannot_shadow_a_device(world):
    victim = world.call("OLT-0001").device
    assert world.refused(RegisterDevice(serial=victim.node_id, mac=MAC)) == "validation_failed"
    assert len(world.registry) == 1


def test_colliding_node_ids_are_refused_to_the_second(world, monkeypatch):
    # 64 bits of digest can be collided on purpose; then nothing of the first may change.
    world.call("OLT-0001")
    monkeypatch.setattr(registry_module, "node_id_of", lambda _s, _m: node_id_of("OLT-0001", MAC))
    before = world.registry.export()
    assert world.refused(RegisterDevice(serial="EVIL-0001", mac=MAC)) == "device_exists"
    assert world.changes == () and world.registry.export() == before


def test_whitelisting_before_the_first_call(world):
    listed = world.do(WhitelistDevice(serial="OLT-0001", metadata={"rack": "7"}))
    assert isinstance(listed, WhitelistView) and listed.created
    assert listed.device.node_id == node_id_of("OLT-0001", None)
    assert listed.device.first_seen_us is None
    assert world.refused(WhitelistDevice(serial="OLT-0001")) == "device_exists"
    called = world.call("OLT-0001")
    assert not called.created and called.device.state == "pending"
    assert called.device.node_id == node_id_of("OLT-0001", MAC)
    assert called.device.metadata == {"rack": "7"} and called.device.first_seen_us == world.now_us


def test_g41_a_pre_imported_device_learns_mac_and_node_id_and_its_partner_follows(world):
    rows = (ImportRow(1, "OLT-0001", "s1"), ImportRow(2, "OLT-0002", "s1"))
    world.do(ImportDevices(rows))
    old = world.known("OLT-0001").node_id
    called = world.call("OLT-0001")
    assert called.device.state == "configured" and called.device.mac == MAC
    assert called.device.node_id == node_id_of("OLT-0001", MAC) != old
    assert world.registry.get(old) is None
    assert world.known("OLT-0002").partner_node_id == called.device.node_id
    assert {change.serial for change in world.changes} == {"OLT-0001", "OLT-0002"}
    assert called.partner == world.known("OLT-0002")


def test_a_pair_is_active_and_standby_and_a_third_finds_the_site_full(world):
    for n in (1, 2, 3):
        world.call(f"OLT-000{n}")
    assert world.seat("OLT-0001", "s1").partner is None
    second = world.seat("OLT-0002", "s1")
    assert second.device.role == "standby" and second.partner == world.known("OLT-0001")
    assert world.links("OLT-0001", "OLT-0002") == [
        ("active", second.device.node_id),
        ("standby", world.known("OLT-0001").node_id),
    ]
    before = world.registry.export()
    assert world.refused(AssignSite("OLT-0003", "s1")) == "site_full"
    assert world.changes == () and world.registry.export() == before


def test_a_full_site_refuses_a_move_and_leaves_the_mover_where_it_was(world):
    for n in (1, 2, 3):
        world.call(f"OLT-000{n}")
    for serial, site in (("OLT-0001", "s1"), ("OLT-0002", "s1"), ("OLT-0003", "s2")):
        world.seat(serial, site)
    assert world.refused(AssignSite("OLT-0003", "s1")) == "site_full"
    assert world.known("OLT-0003").site_id == "s2"


@pytest.mark.parametrize("again", ["OLT-0001", "OLT-0002"])
def test_g39_re_assigning_a_device_of_a_pair_changes_nothing(world, again):
    for serial in ("OLT-0001", "OLT-0002"):
        world.call(serial)
        world.seat(serial, "s1")
    before = world.registry.export()
    view = world.seat(again, "s1")
    assert view.device == world.known(again) and view.partner is not None
    assert world.changes == () and world.registry.export() == before


@pytest.mark.parametrize(
    "goes",
    [
        AssignSite("OLT-0001", "s2"),
        DeleteDevice("OLT-0001"),
        RevokeDevice("OLT-0001"),
        RejectDevice("OLT-0001"),
    ],
    ids=["moved", "deleted", "revoked", "rejected"],
)
def test_g40_whoever_is_left_behind_is_active_and_points_at_nobody(world, goes):
    for serial in ("OLT-0001", "OLT-0002"):
        world.call(serial)
        world.seat(serial, "s1")
    world.do(goes)
    assert world.links("OLT-0002") == [("active", None)]
    assert [record.serial for record in world.registry.at_site("s1")] == ["OLT-0002"]


def test_an_active_left_alone_stays_active(world):
    for serial in ("OLT-0001", "OLT-0002"):
        world.call(serial)
        world.seat(serial, "s1")
    world.do(DeleteDevice("OLT-0002"))
    assert world.links("OLT-0001") == [("active", None)]


def test_approve_is_idempotent_and_does_not_unseat(world):
    world.call("OLT-0001")
    approved = world.do(ApproveDevice("OLT-0001"))
    assert approved.state == "approved" and approved.approved_us == world.now_us
    assert world.do(ApproveDevice("OLT-0001")) == approved
    world.seat("OLT-0001", "s1")
    configured = world.do(ApproveDevice("OLT-0001"))
    assert configured.state == "configured" and configured.approved_us == approved.approved_us


def test_a_site_implies_approval(world):
    world.call("OLT-0001")
    device = world.seat("OLT-0001", "s1").device
    assert device.state == "configured" and device.approved_us == world.now_us and device.listed


def test_g43_a_revoked_device_returns_by_being_listed_anew(world):
    world.call("OLT-0001", public_key="k1")
    world.seat("OLT-0001", "s1")
    revoked = world.do(RevokeDevice("OLT-0001"))
    assert revoked.state == "revoked" and revoked.revoked_us == world.now_us
    assert revoked.site_id is None and revoked.role is None
    assert world.refused(ApproveDevice("OLT-0001")) == "device_not_approvable"
    assert world.refused(AssignSite("OLT-0001", "s1")) == "device_not_approvable"
    back = world.do(WhitelistDevice(serial="OLT-0001"))
    assert not back.created and back.device.state == "pending"
    assert back.device.revoked_us is None and back.device.public_key == ""
    assert back.device.node_id == revoked.node_id
    assert world.do(ApproveDevice("OLT-0001")).state == "approved"


def test_g32_a_revoked_device_that_calls_is_refused_and_seen(world):
    world.call("OLT-0001")
    world.do(RevokeDevice("OLT-0001"))
    assert world.refused(RegisterDevice(serial="OLT-0001", mac=MAC)) == "device_revoked"
    assert world.known("OLT-0001").last_seen_us == world.now_us
    world.do(WhitelistDevice(serial="OLT-0001"))
    world.do(RejectDevice("OLT-0001"))
    assert world.refused(RegisterDevice(serial="OLT-0001", mac=MAC)) == "device_rejected"
    told = world.call("OLT-0001", dialect=AGENT)
    assert told.device.state == "rejected" and not told.created


def test_import_takes_good_rows_and_tells_the_others_by_line(world):
    world.call("OLT-0009")
    world.do(RevokeDevice("OLT-0009"))
    rows = (
        ImportRow(2, "OLT-0001", "s1"),
        ImportRow(3, "OLT-0002", "s1"),
        ImportRow(4, "OLT-0003", "s1"),
        ImportRow(5, "OLT-0009", "s2"),
        ImportRow(6, "OLT-0004", "s2"),
    )
    view = world.do(ImportDevices(rows))
    assert isinstance(view, ImportView)
    assert (view.imported, view.paired) == (3, 1)
    assert [fault.line for fault in view.faults] == [4, 5]
    assert view.faults[0].text == "line 4 (serial OLT-0003): site s1 already has 2 devices"
    assert view.faults[1].text.startswith("line 5 (serial OLT-0009): device OLT-0009 is revoked")
    # A row that failed leaves nothing behind.
    assert world.registry.get("OLT-0003") is None
    assert world.known("OLT-0009").state == "revoked"


def test_importing_the_same_file_again_changes_nothing(world):
    rows = tuple(ImportRow(n, f"OLT-000{n}", f"s{n // 3}") for n in range(1, 5))
    first = world.do(ImportDevices(rows))
    before = world.registry.export()
    again = world.do(ImportDevices(rows))
    assert again.imported == first.imported == 4
    assert again.paired == 0 and world.changes == () and world.registry.export() == before


def test_a_flood_of_invented_serials_does_not_push_out_devices_that_poll(world):
    flood = World(unlisted_pending_max=10)
    flood.call("OLT-0001")
    flood.do(WhitelistDevice(serial="OLT-0002"))
    for n in range(100):
        flood.call(f"EVIL-{n:04}")
        if n % 5 == 0:
            flood.call("OLT-0001")  # a real device keeps calling
    assert flood.registry.get("OLT-0001") is not None
    assert flood.registry.get("OLT-0002") is not None
    assert flood.registry.get("EVIL-0099") is not None
    assert flood.registry.get("EVIL-0000") is None
    assert flood.registry.count("pending") <= 11


def test_restore_gives_the_same_registry_whatever_the_order(world):
    rows = tuple(ImportRow(n, f"OLT-000{n}", f"s{n // 3}") for n in range(1, 6))
    world.do(ImportDevices(rows))
    world.do(RevokeDevice("OLT-0003"))
    world.call("OLT-0007")
    copy = DeviceRegistry()
    copy.restore(reversed(world.registry.export()))
    copy.check_invariants()
    assert copy.export() == world.registry.export()
    op = AssignSite("OLT-0007", "s1")
    assert copy.execute(op, 9) == world.registry.execute(op, 9)


def test_the_standby_restored_first_does_not_become_active(world):
    # Serial order puts the standby before the active.
    world.do(ImportDevices((ImportRow(1, "ZZZZ", "s1"), ImportRow(2, "AAAA", "s1"))))
    copy = DeviceRegistry()
    copy.restore(world.registry.export())
    copy.check_invariants()
    assert [record.serial for record in copy.at_site("s1")] == ["ZZZZ", "AAAA"]


def test_a_wall_clock_that_steps_back_does_not_move_last_seen_back(world):
    seen_us = world.call("OLT-0001").device.last_seen_us
    world.now_us -= 500_000
    assert world.call("OLT-0001").device.last_seen_us == seen_us
