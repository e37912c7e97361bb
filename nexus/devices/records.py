"""A device as it is remembered: its states, its identity, and what may follow what.

A device is known by its serial alone: the network card may be swapped and the call is not
authenticated, so a MAC proves nothing (a record found by MAC would be handed to whoever can read
a label).  What callers are given is the node id, a digest of serial and MAC that comes out the
same again when a device is deleted and calls once more.  One table says which verb leads where;
``reject`` and ``revoke`` beat everything, and only listing a device anew leads back.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from nexus.errors import NexusError

PENDING = "pending"
APPROVED = "approved"
CONFIGURED = "configured"
REJECTED = "rejected"
REVOKED = "revoked"
STATES = (PENDING, APPROVED, CONFIGURED, REJECTED, REVOKED)

ACTIVE = "active"
STANDBY = "standby"

NODE_ID_HEX_DIGITS = 16
"""64 bits of SHA-256: what the installed devices have as their name already."""

_NODE_ID = re.compile(rf"node-[0-9a-f]{{{NODE_ID_HEX_DIGITS}}}\Z")

TRANSITIONS: dict[str, dict[str, str]] = {
    "approve": {PENDING: APPROVED, APPROVED: APPROVED, CONFIGURED: CONFIGURED},
    "assign": {PENDING: CONFIGURED, APPROVED: CONFIGURED, CONFIGURED: CONFIGURED},
    "reject": {
        PENDING: REJECTED,
        APPROVED: REJECTED,
        CONFIGURED: REJECTED,
        REJECTED: REJECTED,
        REVOKED: REVOKED,  # the harder of the two: its certificates must stay dead
    },
    "revoke": dict.fromkeys(STATES, REVOKED),
    "whitelist": {REJECTED: PENDING, REVOKED: PENDING},
}
"""verb -> state before -> state after; a state that is missing refuses the verb."""

_REFUSALS = {
    "approve": "device_not_approvable",
    "assign": "device_not_approvable",
    "whitelist": "device_exists",
}


class DeviceRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that is known of one device; stamps are wall-clock microseconds, None for never."""

    serial: str
    node_id: str
    state: str
    added_us: int
    mac: str | None = None
    """Upper case with colons, as at first contact; it keeps the node id steady ever after."""
    model: str = ""
    firmware: str = ""
    public_key: str = ""
    agent_version: str = ""
    capabilities: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    listed: bool = False
    """An operator knows of it; an unlisted one only ever called by itself."""
    site_id: str | None = None
    role: str | None = None
    partner_node_id: str | None = None
    first_seen_us: int | None = None
    last_seen_us: int | None = None
    approved_us: int | None = None
    rejected_us: int | None = None
    revoked_us: int | None = None


class Change(msgspec.Struct, frozen=True, gc=False):
    """What one operation did to one device; ``before`` or ``after`` is None at birth and end."""

    serial: str
    before: DeviceRecord | None
    after: DeviceRecord | None

    @property
    def worth_telling(self) -> bool:
        """Whether watchers and the audit log care: a poll that only moves last_seen is noise."""
        if self.before is None or self.after is None:
            return True
        seen_us = self.after.last_seen_us
        return msgspec.structs.replace(self.before, last_seen_us=seen_us) != self.after

    def watch_events(self) -> tuple[tuple[str, str, DeviceRecord | None], ...]:
        """Kind, key and value for watchers; a device that was re-keyed leaves its old key."""
        if not self.worth_telling:
            return ()
        events: list[tuple[str, str, DeviceRecord | None]] = []
        before, after = self.before, self.after
        if before is not None and (after is None or after.node_id != before.node_id):
            events.append(("delete", f"devices/{before.node_id}", None))
        if after is not None:
            events.append(("put", f"devices/{after.node_id}", after))
        return tuple(events)


def node_id_of(serial: str, mac: str | None) -> str:
    """The node id of a device; a MAC not known yet hashes as nothing."""
    digest = hashlib.sha256(f"{serial}:{mac or ''}".encode()).hexdigest()
    return f"node-{digest[:NODE_ID_HEX_DIGITS]}"


def looks_like_node_id(text: str) -> bool:
    """Whether a serial could be taken for a node id: such a device would shadow another one."""
    return _NODE_ID.match(text) is not None


def next_state(verb: str, record: DeviceRecord) -> str:
    """The state that a verb leads to from where the device stands.

    Raises
    ------
    NexusError : device_not_approvable or device_exists, where the table has no way.
    """
    after = TRANSITIONS[verb].get(record.state)
    if after is None:
        raise NexusError(_REFUSALS[verb], _refusal_text(verb, record))
    return after


def shut_out(record: DeviceRecord) -> NexusError | None:
    """The refusal for a device that calls although it was rejected or revoked."""
    if record.state == REVOKED:
        return NexusError("device_revoked", f"device {record.serial} is revoked")
    if record.state == REJECTED:
        return NexusError("device_rejected", f"device {record.serial} is rejected")
    return None


def _refusal_text(verb: str, record: DeviceRecord) -> str:
    if verb == "whitelist":
        return f"device {record.serial} is listed already (status {record.state})"
    return f"device {record.serial} is {record.state}, list it again before it can be approved"
