"""What the device part tells its callers; a bare device is told as its `DeviceRecord`."""

from __future__ import annotations

import msgspec

from nexus.devices.records import DeviceRecord
from nexus.model.views import PoolView


class RegistrationView(msgspec.Struct, frozen=True):
    """A device that called, as it stands now; ``created`` when nobody knew it before."""

    device: DeviceRecord
    partner: DeviceRecord | None
    created: bool
    warnings: tuple[str, ...] = ()


class WhitelistView(msgspec.Struct, frozen=True):
    """A device on the list; ``created`` false when a rejected or revoked one was reset."""

    device: DeviceRecord
    created: bool


class AssignmentView(msgspec.Struct, frozen=True):
    """A device at its site, and the other one there."""

    device: DeviceRecord
    partner: DeviceRecord | None


class ImportFault(msgspec.Struct, frozen=True, gc=False):
    """Why a row was not imported."""

    line: int
    text: str
    """``line N: ...`` or ``line N (serial S): ...``."""


class ImportView(msgspec.Struct, frozen=True):
    """How many rows took effect, how many made a pair complete, and what failed by line."""

    imported: int
    paired: int
    faults: tuple[ImportFault, ...] = ()


class DeviceConfigView(msgspec.Struct, frozen=True):
    """All that a configured device needs; ``pools`` in order of their creation."""

    device: DeviceRecord
    partner: DeviceRecord | None
    pools: tuple[PoolView, ...]
    at_us: int
    peers: tuple[str, ...] = ()
    """Members that the device may talk to, ``host:port``; none on a lone node."""
