"""Answers to questions about devices: functions over the registry, nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from nexus.devices.records import CONFIGURED, PENDING, STATES, DeviceRecord, shut_out
from nexus.devices.registry import DeviceRegistry
from nexus.devices.requests import (
    DeviceRead,
    GetDevice,
    GetDeviceConfig,
    ListDevices,
    ListPending,
)
from nexus.devices.views import DeviceConfigView
from nexus.errors import NexusError, validation
from nexus.model.ids import check_serial
from nexus.model.views import Page, PoolView

SITE_METADATA_KEY = "site"
"""Key of a pool's metadata that reserves the pool for one site."""


def answer(
    registry: DeviceRegistry,
    op: DeviceRead,
    *,
    pools: Sequence[PoolView] = (),
    peers: tuple[str, ...] = (),
    at_us: int = 0,
) -> DeviceRecord | Page[DeviceRecord] | DeviceConfigView:
    """Answer one question.

    Parameters
    ----------
    pools : every pool, in order of creation; only a configuration looks at them.
    peers : members that devices may talk to, ``host:port``.
    at_us : wall clock, the stamp of a configuration.

    Raises
    ------
    NexusError : what the request's own docstring lists.
    """
    match op:
        case GetDevice():
            return _known(registry, op.device_id)
        case ListDevices():
            return list_devices(registry, op)
        case ListPending():
            return list_devices(
                registry, ListDevices(state=PENDING, limit=op.limit, cursor=op.cursor)
            )
        case GetDeviceConfig():
            return device_config(registry, op.device_id, pools=pools, peers=peers, at_us=at_us)


def list_devices(registry: DeviceRegistry, op: ListDevices) -> Page[DeviceRecord]:
    """One page by serial; the cursor is the last serial of the page before."""
    if op.state is not None and op.state not in STATES:
        raise validation("status", f"{op.state!r} is not one of {', '.join(STATES)}")
    start = _start(op.cursor)
    candidates: Iterable[DeviceRecord]
    if op.site_id is not None:
        there = sorted(registry.at_site(op.site_id), key=lambda record: record.serial)
        matching = [record for record in there if op.state in (None, record.state)]
        total = len(matching)
        candidates = (record for record in matching if record.serial > start)
    elif op.state is not None:
        total = registry.count(op.state)
        candidates = (record for record in registry.after(start) if record.state == op.state)
    else:
        total = len(registry)
        candidates = registry.after(start)
    found = tuple(islice(candidates, op.limit + 1))
    items = found[: op.limit]
    return Page(items, total, items[-1].serial if len(found) > op.limit else None)


def device_config(
    registry: DeviceRegistry,
    device_id: str,
    *,
    pools: Sequence[PoolView],
    peers: tuple[str, ...],
    at_us: int,
) -> DeviceConfigView:
    """All that a configured device needs to start."""
    record = _known(registry, device_id)
    refusal = shut_out(record)
    if refusal is not None:
        raise refusal
    if record.state != CONFIGURED:
        raise NexusError(
            "device_pending", f"device {record.serial} is {record.state}, not configured yet"
        )
    own = tuple(pool for pool in pools if _for_site(pool, record.site_id))
    return DeviceConfigView(record, registry.partner_of(record), own, at_us, peers)


def _for_site(pool: PoolView, site_id: str | None) -> bool:
    site = pool.spec.metadata.get(SITE_METADATA_KEY)
    return site is None or site == site_id


def _known(registry: DeviceRegistry, device_id: str) -> DeviceRecord:
    record = registry.get(device_id)
    if record is None:
        raise NexusError("device_not_found", "device not found")
    return record


def _start(cursor: str | None) -> str:
    if cursor is None:
        return ""
    try:
        return check_serial(cursor)
    except ValueError as problem:
        raise validation("cursor", "is not a cursor of this list") from problem
