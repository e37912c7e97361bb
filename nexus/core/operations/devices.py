"""Devices: register, list, approve, shut out, assign to sites, import, read, configure."""

from __future__ import annotations

from nexus.devices.requests import (
    AGENT,
    DIALECTS,
    ZTP,
    ApproveDevice,
    AssignSite,
    DeleteDevice,
    DeviceRead,
    DeviceWrite,
    GetDevice,
    GetDeviceConfig,
    ImportDevices,
    ImportRow,
    ListDevices,
    ListPending,
    RegisterDevice,
    RejectDevice,
    RevokeDevice,
    WhitelistDevice,
)

__all__ = [
    "AGENT",
    "DIALECTS",
    "ZTP",
    "ApproveDevice",
    "AssignSite",
    "DeleteDevice",
    "DeviceRead",
    "DeviceWrite",
    "GetDevice",
    "GetDeviceConfig",
    "ImportDevices",
    "ImportRow",
    "ListDevices",
    "ListPending",
    "RegisterDevice",
    "RejectDevice",
    "RevokeDevice",
    "WhitelistDevice",
]
