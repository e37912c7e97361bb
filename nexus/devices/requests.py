"""What may be asked about devices: one frozen value each, split into writes and reads.

Writes are decided in one order for the whole cluster and then executed by the registry of every
member; reads are answered by the member that was asked.  The values are checked and normalised
before they get here.  Each has a tag, so that a log or a message can carry any of them.  They
stand beside the registry, which executes them, because it may not import the core; callers use
`nexus.core.operations.devices`.
"""

from __future__ import annotations

import msgspec

ZTP = "ztp"
AGENT = "agent"
DIALECTS = (ZTP, AGENT)

DEFAULT_PAGE_LIMIT = 1000


class RegisterDevice(msgspec.Struct, frozen=True, tag=True, kw_only=True, gc=False):
    """Answer: `RegistrationView`; device_revoked and device_rejected in the ztp dialect only.

    The agent's client takes any refusal but the word ``rejected`` for a reason to come again.
    """

    serial: str
    mac: str
    dialect: str = ZTP
    model: str = ""
    firmware: str = ""
    public_key: str = ""
    agent_version: str = ""
    capabilities: tuple[str, ...] = ()


class WhitelistDevice(msgspec.Struct, frozen=True, tag=True, kw_only=True, gc=False):
    """Answer: `WhitelistView` (``created`` tells 201 from 200); device_exists."""

    serial: str
    mac: str | None = None
    metadata: dict[str, str] = {}


class ApproveDevice(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer: `DeviceRecord`; device_not_found, device_not_approvable."""

    device_id: str


class RejectDevice(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer: `DeviceRecord`; device_not_found."""

    device_id: str


class RevokeDevice(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer: `DeviceRecord`; device_not_found."""

    device_id: str


class AssignSite(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer: `AssignmentView`; device_not_found, device_not_approvable, site_full.

    ``metadata`` None leaves the device's own as it is, else replaces it.
    """

    device_id: str
    site_id: str
    metadata: dict[str, str] | None = None


class DeleteDevice(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer: the `DeviceRecord` that was removed; device_not_found."""

    device_id: str


class ImportRow(msgspec.Struct, frozen=True, gc=False):
    """One good row of a CSV file; ``line`` is its first line in the file, from 1."""

    line: int
    serial: str
    site_id: str


class ImportDevices(msgspec.Struct, frozen=True, tag=True):
    """Answer: `ImportView`; each row stands for itself, a bad one hinders no other."""

    rows: tuple[ImportRow, ...]


class GetDevice(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer: `DeviceRecord`; device_not_found."""

    device_id: str


class ListDevices(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Answer: `Page[DeviceRecord]` by serial."""

    site_id: str | None = None
    state: str | None = None
    limit: int = DEFAULT_PAGE_LIMIT
    cursor: str | None = None


class ListPending(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Answer: `Page[DeviceRecord]` by serial, those that wait for an operator."""

    limit: int = DEFAULT_PAGE_LIMIT
    cursor: str | None = None


class GetDeviceConfig(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer: `DeviceConfigView`; device_not_found, device_pending, device_revoked/_rejected."""

    device_id: str


DeviceWrite = (
    RegisterDevice
    | WhitelistDevice
    | ApproveDevice
    | RejectDevice
    | RevokeDevice
    | AssignSite
    | DeleteDevice
    | ImportDevices
)

DeviceRead = GetDevice | ListDevices | ListPending | GetDeviceConfig
