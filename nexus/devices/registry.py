"""All devices of a cluster: a state machine that every member runs over the same operations.

The same operations in the same order, with the same stamps, give the same devices everywhere:
no clock, no randomness, no order that a hash seed could change.  An operation answers with a view
or with the error for its caller, and with every device it changed; the caller of `execute` makes
those durable before anybody hears of them.  Records are the whole state: indexes follow from
them, so a snapshot is `export` and a restart is `restore`.

What calls unlisted is not authenticated, so it is bounded: above a maximum, whoever has been
silent for longest is forgotten (real devices poll every 30 s; a flood of invented ones does not).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

import msgspec

from nexus.devices import pairs
from nexus.devices.records import (
    CONFIGURED,
    PENDING,
    REJECTED,
    REVOKED,
    STANDBY,
    STATES,
    Change,
    DeviceRecord,
    looks_like_node_id,
    next_state,
    node_id_of,
    shut_out,
)
from nexus.devices.requests import (
    AGENT,
    ApproveDevice,
    AssignSite,
    DeleteDevice,
    DeviceWrite,
    ImportDevices,
    ImportRow,
    RegisterDevice,
    RejectDevice,
    RevokeDevice,
    WhitelistDevice,
)
from nexus.devices.views import (
    AssignmentView,
    ImportFault,
    ImportView,
    RegistrationView,
    WhitelistView,
)
from nexus.errors import NexusError, validation

UNLISTED_PENDING_MAX = 50_000
"""Devices that called by themselves and that no operator has looked at; about 30 MB of records."""

SILENT_DROPPED_AT_ONCE_DIVISOR = 100
"""At the bound this fraction of it makes room: a search over all devices each 500 calls."""

Outcome = RegistrationView | WhitelistView | AssignmentView | ImportView | DeviceRecord | NexusError

_replace = msgspec.structs.replace


class Executed(msgspec.Struct, frozen=True):
    """Answer for the caller (a `NexusError` is returned, not raised), and what changed."""

    outcome: Outcome
    changes: tuple[Change, ...] = ()


class DeviceRegistry:
    """Owner of all device records; changed by `execute` and `restore` only."""

    def __init__(self, *, unlisted_pending_max: int = UNLISTED_PENDING_MAX) -> None:
        self._unlisted_pending_max = unlisted_pending_max
        self._clear()

    def _clear(self) -> None:
        self._records: dict[str, DeviceRecord] = {}
        self._serial_by_node_id: dict[str, str] = {}
        self._serials: list[str] = []
        self._seats: dict[str, pairs.Seat] = {}
        self._counts: dict[str, int] = dict.fromkeys(STATES, 0)
        self._unlisted_pending = 0
        self._before: dict[str, DeviceRecord | None] = {}
        """Devices touched by the operation at hand, as they were before it."""

    # -- reads -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._records)

    def get(self, device_id: str) -> DeviceRecord | None:
        """The device with this node id, else with this serial."""
        return self._records.get(self._serial_by_node_id.get(device_id, device_id))

    def partner_of(self, record: DeviceRecord) -> DeviceRecord | None:
        """The other device at its site."""
        if record.partner_node_id is None:
            return None
        return self._records[self._serial_by_node_id[record.partner_node_id]]

    def at_site(self, site_id: str) -> tuple[DeviceRecord, ...]:
        """Devices at a site, the active first."""
        seat = self._seats.get(site_id)
        return () if seat is None else tuple(self._records[serial] for serial in seat.serials)

    def count(self, state: str) -> int:
        """Number of devices in a state."""
        return self._counts[state]

    def after(self, serial: str = "") -> Iterator[DeviceRecord]:
        """Devices whose serials sort after this one, in order."""
        for position in range(bisect_right(self._serials, serial), len(self._serials)):
            yield self._records[self._serials[position]]

    # -- snapshot --------------------------------------------------------------------------

    def export(self) -> list[DeviceRecord]:
        """Every record, by serial: the whole state."""
        return list(self.after())

    def restore(self, records: Iterable[DeviceRecord]) -> None:
        """Replace the whole state by these records, whatever their order."""
        self._clear()
        for record in sorted(records, key=lambda record: record.serial):
            self._serials.append(record.serial)
            self._index(record)
            if record.site_id is not None:
                self._restore_seat(record)

    def _restore_seat(self, record: DeviceRecord) -> None:
        site_id = str(record.site_id)
        seat = self._seats.get(site_id)
        if seat is None:
            self._seats[site_id] = pairs.Seat(active=record.serial)
        elif record.role == STANDBY:
            self._seats[site_id] = pairs.Seat(active=seat.active, standby=record.serial)
        else:
            self._seats[site_id] = pairs.Seat(active=record.serial, standby=seat.active)

    # -- writes ----------------------------------------------------------------------------

    def execute(self, op: DeviceWrite, at_us: int) -> Executed:
        """Carry out one decided operation.

        Parameters
        ----------
        op : the operation, its values checked and normalised.
        at_us : wall clock of the member that decided it; the same on every member.
        """
        self._before = {}
        try:
            outcome: Outcome = self._dispatch(op, at_us)
        except NexusError as refusal:
            outcome = refusal
        changes = tuple(
            Change(serial, before, after)
            for serial, before in self._before.items()
            if (after := self._records.get(serial)) != before
        )
        return Executed(outcome, changes)

    def _dispatch(self, op: DeviceWrite, at_us: int) -> Outcome:
        match op:
            case RegisterDevice():
                return self._register(op, at_us)
            case WhitelistDevice():
                return self._whitelist(op, at_us)
            case ApproveDevice():
                return self._approve(op, at_us)
            case RejectDevice():
                return self._shut_out(op.device_id, "reject", at_us)
            case RevokeDevice():
                return self._shut_out(op.device_id, "revoke", at_us)
            case AssignSite():
                return self._assign(op, at_us)
            case DeleteDevice():
                return self._delete(op)
            case ImportDevices():
                return self._import(op, at_us)

    def _register(self, op: RegisterDevice, at_us: int) -> Outcome:
        known = self._records.get(op.serial)
        if known is None:
            return self._register_new(op, at_us)
        seen_us = max(at_us, known.last_seen_us or 0)
        refusal = shut_out(known)
        if refusal is not None:
            self._put(_replace(known, last_seen_us=seen_us))
            if op.dialect != AGENT:
                return refusal
            return RegistrationView(self._records[op.serial], None, created=False)
        mac = known.mac or op.mac
        warnings = _contradictions(op, known)
        self._put(
            _replace(
                known,
                mac=mac,
                node_id=self._free_node_id(op.serial, mac),
                model=known.model or op.model,
                firmware=op.firmware or known.firmware,
                public_key=_key_after(op, known),
                agent_version=op.agent_version or known.agent_version,
                capabilities=op.capabilities or known.capabilities,
                first_seen_us=seen_us if known.first_seen_us is None else known.first_seen_us,
                last_seen_us=seen_us,
            )
        )
        if known.site_id is not None:
            self._link(known.site_id)
        record = self._records[op.serial]
        return RegistrationView(record, self.partner_of(record), created=False, warnings=warnings)

    def _register_new(self, op: RegisterDevice, at_us: int) -> RegistrationView:
        fresh = self._fresh(op.serial, op.mac, at_us)
        record = _replace(
            fresh,
            model=op.model,
            firmware=op.firmware,
            public_key=op.public_key,
            agent_version=op.agent_version,
            capabilities=op.capabilities,
            first_seen_us=at_us,
            last_seen_us=at_us,
        )
        self._forget_the_silent()
        self._put(record)
        return RegistrationView(record, None, created=True)

    def _whitelist(self, op: WhitelistDevice, at_us: int) -> WhitelistView:
        known = self._records.get(op.serial)
        if known is None:
            fresh = self._fresh(op.serial, op.mac, at_us)
            record = _replace(fresh, listed=True, metadata=op.metadata)
            self._put(record)
            return WhitelistView(record, created=True)
        state = next_state("whitelist", known)
        mac = known.mac or op.mac
        record = _replace(
            known,
            state=state,
            mac=mac,
            node_id=self._free_node_id(op.serial, mac),
            listed=True,
            metadata=op.metadata or known.metadata,
            public_key="",  # what was shut out must show its key anew
            approved_us=None,
            rejected_us=None,
            revoked_us=None,
        )
        self._put(record)
        return WhitelistView(record, created=False)

    def _approve(self, op: ApproveDevice, at_us: int) -> DeviceRecord:
        record = self._known(op.device_id)
        state = next_state("approve", record)
        self._put(_approved(record, state, at_us))
        return self._records[record.serial]

    def _shut_out(self, device_id: str, verb: str, at_us: int) -> DeviceRecord:
        record = self._known(device_id)
        state = next_state(verb, record)
        self._leave(record)
        changed = _replace(
            record,
            state=state,
            listed=True,
            site_id=None,
            role=None,
            partner_node_id=None,
        )
        if state == REVOKED and record.state != REVOKED:
            changed = _replace(changed, revoked_us=at_us)
        elif state == REJECTED and record.state != REJECTED:
            changed = _replace(changed, rejected_us=at_us)
        self._put(changed)
        return changed

    def _assign(self, op: AssignSite, at_us: int) -> AssignmentView:
        record = self._known(op.device_id)
        state = next_state("assign", record)
        if op.metadata is not None:
            record = _replace(record, metadata=op.metadata)
        record = self._sit(record, state, op.site_id, at_us)
        return AssignmentView(record, self.partner_of(record))

    def _sit(self, record: DeviceRecord, state: str, site_id: str, at_us: int) -> DeviceRecord:
        """Bring a device to a site; nothing happens before it is sure that it fits."""
        seat = pairs.joined(self._seats.get(site_id), record.serial, site_id)
        if record.site_id != site_id:
            self._leave(record)
        self._seats[site_id] = seat
        self._put(_replace(_approved(record, state, at_us), site_id=site_id))
        self._link(site_id)
        return self._records[record.serial]

    def _delete(self, op: DeleteDevice) -> DeviceRecord:
        record = self._known(op.device_id)
        self._leave(record)
        self._drop(record.serial)
        return record

    def _import(self, op: ImportDevices, at_us: int) -> ImportView:
        imported = 0
        paired = 0
        faults: list[ImportFault] = []
        for row in op.rows:
            try:
                paired += self._import_row(row, at_us)
            except NexusError as refusal:
                text = f"line {row.line} (serial {row.serial}): {refusal.message}"
                faults.append(ImportFault(row.line, text))
            else:
                imported += 1
        return ImportView(imported, paired, tuple(faults))

    def _import_row(self, row: ImportRow, at_us: int) -> bool:
        """Whether this row gave its device a partner."""
        known = self._records.get(row.serial)
        if known is None:
            record = _replace(self._fresh(row.serial, None, at_us), listed=True)
        else:
            record = known
        state = next_state("assign", record)
        partner_before = record.partner_node_id if record.site_id == row.site_id else None
        record = self._sit(record, state, row.site_id, at_us)
        return record.partner_node_id is not None and partner_before is None

    # -- records and the indexes that follow from them -------------------------------------

    def _known(self, device_id: str) -> DeviceRecord:
        record = self.get(device_id)
        if record is None:
            raise NexusError("device_not_found", "device not found")
        return record

    def _fresh(self, serial: str, mac: str | None, at_us: int) -> DeviceRecord:
        if looks_like_node_id(serial):
            raise validation("serial", "has the form of a node id")
        return DeviceRecord(
            serial=serial,
            node_id=self._free_node_id(serial, mac),
            state=PENDING,
            added_us=at_us,
            mac=mac,
        )

    def _free_node_id(self, serial: str, mac: str | None) -> str:
        """The device's node id, refused where another device has it.

        64 bits of digest are within reach of somebody who searches for two serials and MACs that
        collide; whoever comes second gets nothing.
        """
        node_id = node_id_of(serial, mac)
        if self._serial_by_node_id.get(node_id, serial) != serial:
            raise NexusError("device_exists", f"another device has the node id {node_id}")
        return node_id

    def _put(self, record: DeviceRecord) -> None:
        serial = record.serial
        old = self._records.get(serial)
        self._before.setdefault(serial, old)
        if old is None:
            insort(self._serials, serial)
        else:
            self._unindex(old)
        self._index(record)

    def _drop(self, serial: str) -> None:
        old = self._records.pop(serial)
        self._before.setdefault(serial, old)
        self._unindex(old)
        del self._serials[bisect_left(self._serials, serial)]

    def _index(self, record: DeviceRecord) -> None:
        self._records[record.serial] = record
        self._serial_by_node_id[record.node_id] = record.serial
        self._counts[record.state] += 1
        if _forgettable(record):
            self._unlisted_pending += 1

    def _unindex(self, record: DeviceRecord) -> None:
        del self._serial_by_node_id[record.node_id]
        self._counts[record.state] -= 1
        if _forgettable(record):
            self._unlisted_pending -= 1

    def _leave(self, record: DeviceRecord) -> None:
        """Take a device off its site; the one left behind is promoted and linked to nobody."""
        if record.site_id is None:
            return
        seat = pairs.left(self._seats[record.site_id], record.serial)
        if seat is None:
            del self._seats[record.site_id]
            return
        self._seats[record.site_id] = seat
        self._link(record.site_id)

    def _link(self, site_id: str) -> None:
        """Write roles and partner links of a site's devices from its seat."""
        seat = self._seats[site_id]
        for serial in seat.serials:
            record = self._records[serial]
            partner = seat.partner_of(serial)
            linked = _replace(
                record,
                role=seat.role_of(serial),
                partner_node_id=None if partner is None else self._records[partner].node_id,
            )
            if linked != record:
                self._put(linked)

    def _forget_the_silent(self) -> None:
        """At the bound, drop those unlisted pending devices that were silent for longest.

        Many at once, because each time costs a search over all devices.
        """
        if self._unlisted_pending < self._unlisted_pending_max:
            return
        spare = max(1, self._unlisted_pending_max // SILENT_DROPPED_AT_ONCE_DIVISOR)
        callers = (
            (record.last_seen_us or 0, record.serial)
            for record in self._records.values()
            if _forgettable(record)
        )
        for _seen_us, serial in heapq.nsmallest(spare, callers):
            self._drop(serial)

    # -- invariants ------------------------------------------------------------------------

    def check_invariants(self) -> None:
        """Everything that must hold between operations; raises AssertionError with the story."""
        assert self._serials == sorted(self._records), "serials out of order"
        assert len(self._serial_by_node_id) == len(self._records), "a node id leads nowhere"
        assert sum(self._counts.values()) == len(self._records), "state counts are off"
        for record in self._records.values():
            self._check_record(record)
        for site_id, seat in self._seats.items():
            for serial in seat.serials:
                assert self._records[serial].site_id == site_id, f"{serial} does not sit there"

    def _check_record(self, record: DeviceRecord) -> None:
        serial = record.serial
        assert record.node_id == node_id_of(serial, record.mac), f"{serial}: foreign node id"
        assert self._serial_by_node_id[record.node_id] == serial, f"{serial}: lost node id"
        seated = record.state == CONFIGURED
        assert (record.site_id is not None) == seated, f"{serial}: {record.state}, {record.site_id}"
        if record.site_id is None:
            assert record.role is None, f"{serial}: a role without a site"
            assert record.partner_node_id is None, f"{serial}: a partner without a site"
            return
        seat = self._seats[record.site_id]
        partner = seat.partner_of(serial)
        linked = None if partner is None else self._records[partner].node_id
        assert serial in seat.serials, f"{serial}: not in its site's seat"
        assert record.role == seat.role_of(serial), f"{serial}: role is not the seat's"
        assert record.partner_node_id == linked, f"{serial}: link is not the seat's"


def _approved(record: DeviceRecord, state: str, at_us: int) -> DeviceRecord:
    stamp_us = at_us if record.approved_us is None else record.approved_us
    return _replace(record, state=state, listed=True, approved_us=stamp_us)


def _forgettable(record: DeviceRecord) -> bool:
    return record.state == PENDING and not record.listed


def _key_after(op: RegisterDevice, known: DeviceRecord) -> str:
    """A key is taken from the wire until an operator has said yes to it, never after."""
    if not op.public_key or (known.public_key and known.state != PENDING):
        return known.public_key
    return op.public_key


def _contradictions(op: RegisterDevice, known: DeviceRecord) -> tuple[str, ...]:
    """What an unauthenticated caller said that the record does not take over."""
    warnings: list[str] = []
    if known.mac is not None and known.mac != op.mac:
        warnings.append(f"mac {op.mac} differs from the first contact's and is ignored")
    if op.public_key and _key_after(op, known) != op.public_key:
        warnings.append("public_key differs from the approved one and is ignored")
    return tuple(warnings)
