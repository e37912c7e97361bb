"""The device registry under any sequence of operations.

Serials, sites and stamps come from small sets, so that devices meet, sites fill up, stamps repeat
and step back.  After every operation the registry's own invariants hold, the statements below
hold in words of their own, and two more registries that saw the same operations (one of them
restored from an export at every step) are the same.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nexus.core.operations.devices import (
    DIALECTS,
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
from nexus.devices.records import DeviceRecord, node_id_of
from nexus.devices.registry import DeviceRegistry, Executed
from nexus.devices.views import ImportView
from nexus.errors import NexusError

SERIALS = [f"OLT-{n}" for n in range(6)]
SITES = ["s1", "s2", "s3"]
MACS = ["AA:BB:CC:00:00:01", "AA:BB:CC:00:00:02"]

serials = st.sampled_from(SERIALS)
sites = st.sampled_from(SITES)
macs = st.sampled_from(MACS)


class DeviceLife(RuleBasedStateMachine):
    @initialize(bound=st.integers(1, 8))
    def start(self, bound):
        self.registry = DeviceRegistry(unlisted_pending_max=bound)
        self.twin = DeviceRegistry(unlisted_pending_max=bound)
        self.restored = DeviceRegistry(unlisted_pending_max=bound)
        self.mirror: dict[str, DeviceRecord] = {}
        """What somebody knows who only ever saw the changes."""

    def do(self, op, at_us) -> Executed:
        self.restored.restore(self.registry.export())
        executed = self.registry.execute(op, at_us)
        for other in (self.twin, self.restored):
            told = other.execute(op, at_us)
            assert told.changes == executed.changes
            assert repr(told.outcome) == repr(executed.outcome)
            assert other.export() == self.registry.export()
        for change in executed.changes:
            assert self.mirror.get(change.serial) == change.before
            if change.after is None:
                del self.mirror[change.serial]
            else:
                self.mirror[change.serial] = change.after
        return executed

    def find(self, serial) -> DeviceRecord | None:
        return self.registry.get(serial)

    @rule(serial=serials, mac=macs, dialect=st.sampled_from(DIALECTS), at_us=st.integers(0, 9))
    def call(self, serial, mac, dialect, at_us):
        before = self.find(serial)
        self.do(RegisterDevice(serial=serial, mac=mac, dialect=dialect), at_us)
        after = self.find(serial)
        assert after is not None
        if before is None:
            assert (after.state, after.mac) == ("pending", mac)
        else:
            # A call proves nothing: it moves no device and changes no state.
            assert (after.state, after.site_id, after.role) == (
                before.state,
                before.site_id,
                before.role,
            )
            assert before.mac is None or after.mac == before.mac

    @rule(serial=serials, mac=st.none() | macs, at_us=st.integers(0, 9))
    def whitelist(self, serial, mac, at_us):
        before = self.find(serial)
        executed = self.do(WhitelistDevice(serial=serial, mac=mac), at_us)
        refused = before is not None and before.state not in ("rejected", "revoked")
        assert isinstance(executed.outcome, NexusError) == refused

    @rule(serial=serials, at_us=st.integers(0, 9))
    def approve(self, serial, at_us):
        before = self.find(serial)
        self.do(ApproveDevice(serial), at_us)
        after = self.find(serial)
        if before is not None and before.state in ("rejected", "revoked"):
            assert after == before

    @rule(serial=serials, at_us=st.integers(0, 9))
    def reject(self, serial, at_us):
        known = self.find(serial) is not None
        self.do(RejectDevice(serial), at_us)
        after = self.find(serial)
        assert (after is not None and after.state in ("rejected", "revoked")) == known

    @rule(serial=serials, at_us=st.integers(0, 9))
    def revoke(self, serial, at_us):
        known = self.find(serial) is not None
        self.do(RevokeDevice(serial), at_us)
        after = self.find(serial)
        assert (after is not None and after.state == "revoked") == known

    @rule(serial=serials, site=sites, at_us=st.integers(0, 9))
    def assign(self, serial, site, at_us):
        before = self.find(serial)
        others_before = [r for r in self.registry.at_site(site) if r.serial != serial]
        executed = self.do(AssignSite(serial, site), at_us)
        if isinstance(executed.outcome, NexusError):
            assert executed.changes == ()
            return
        after = self.find(serial)
        assert after is not None and after.site_id == site
        if before is not None and before.site_id == site:
            assert executed.changes == ()
        else:
            assert after.role == ("standby" if others_before else "active")

    @rule(serial=serials)
    def delete(self, serial):
        self.do(DeleteDevice(serial), 0)
        assert self.find(serial) is None

    @rule(pairs=st.lists(st.tuples(serials, sites), max_size=5), at_us=st.integers(0, 9))
    def import_rows(self, pairs, at_us):
        rows = tuple(ImportRow(n, serial, site) for n, (serial, site) in enumerate(pairs))
        view = self.do(ImportDevices(rows), at_us).outcome
        assert isinstance(view, ImportView)
        assert view.imported + len(view.faults) == len(rows)

    @precondition(lambda self: len(self.registry) > 0)
    @rule(data=st.data(), site=sites)
    def assign_by_node_id(self, data, site):
        record = data.draw(st.sampled_from(self.registry.export()))
        self.do(AssignSite(record.node_id, site), 0)

    @invariant()
    def indexes_agree_with_records(self):
        self.registry.check_invariants()
        assert sorted(self.mirror) == [record.serial for record in self.registry.export()]

    @invariant()
    def sites_have_at_most_two_devices_and_exactly_one_active(self):
        seated = [record for record in self.registry.export() if record.site_id is not None]
        sizes = Counter(record.site_id for record in seated)
        actives = Counter(record.site_id for record in seated if record.role == "active")
        assert all(size <= 2 for size in sizes.values())
        assert actives == Counter(sizes.keys())

    @invariant()
    def partner_links_are_symmetric_and_never_dangle(self):
        by_node_id = {record.node_id: record for record in self.registry.export()}
        for record in by_node_id.values():
            if record.partner_node_id is not None:
                partner = by_node_id[record.partner_node_id]
                assert partner.partner_node_id == record.node_id
                assert partner.site_id == record.site_id is not None
                assert {partner.role, record.role} == {"active", "standby"}

    @invariant()
    def node_ids_follow_from_serial_and_mac(self):
        for record in self.registry.export():
            assert record.node_id == node_id_of(record.serial, record.mac)
            assert self.registry.get(record.node_id) == record


TestDeviceLife = DeviceLife.TestCase
