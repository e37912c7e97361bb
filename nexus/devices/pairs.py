"""Who sits where at a site: at most two devices, one active, the other its standby.

A seat is a value; joining and leaving are functions from seat to seat, and roles and partner
links of the records follow from the seat alone, so they cannot disagree with it or with each
other: whoever is left behind is active, and nobody points at a device that is gone.
"""

from __future__ import annotations

import msgspec

from nexus.devices.records import ACTIVE, STANDBY
from nexus.errors import NexusError

DEVICES_PER_SITE_MAX = 2


class Seat(msgspec.Struct, frozen=True, gc=False):
    """The serials at one site."""

    active: str
    standby: str | None = None

    @property
    def serials(self) -> tuple[str, ...]:
        """Those present, the active first."""
        return (self.active,) if self.standby is None else (self.active, self.standby)

    def role_of(self, serial: str) -> str:
        """Role of a device that sits here."""
        return ACTIVE if serial == self.active else STANDBY

    def partner_of(self, serial: str) -> str | None:
        """Serial of the other one."""
        return self.standby if serial == self.active else self.active


def joined(seat: Seat | None, serial: str, site_id: str) -> Seat:
    """The seat once this device sits there; unchanged where it did so already.

    Raises
    ------
    NexusError : site_full.
    """
    if seat is None:
        return Seat(active=serial)
    if serial in seat.serials:
        return seat
    if seat.standby is not None:
        raise NexusError("site_full", f"site {site_id} already has {DEVICES_PER_SITE_MAX} devices")
    return Seat(active=seat.active, standby=serial)


def left(seat: Seat, serial: str) -> Seat | None:
    """The seat once this device is gone: the other one is promoted; None when nobody stays."""
    other = seat.partner_of(serial)
    return None if other is None else Seat(active=other)
