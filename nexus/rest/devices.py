"""Devices as operators see them: list, approve, shut out, assign to sites, import, configure.

``{device_id}`` is a node id or a serial everywhere.  Reading is also served under the seed's
``/bootstrap/devices``.
"""

from __future__ import annotations

from typing import Any

from nexus.core.operations.devices import (
    ApproveDevice,
    AssignSite,
    DeleteDevice,
    GetDevice,
    GetDeviceConfig,
    ImportDevices,
    ListDevices,
    ListPending,
    RejectDevice,
    RevokeDevice,
    WhitelistDevice,
)
from nexus.devices.csv_import import ROWS_MAX, parse_csv
from nexus.devices.records import STATES
from nexus.devices.views import ImportView
from nexus.model import ids
from nexus.rest import device_present, params, present
from nexus.rest import device_schemas as schemas
from nexus.rest.decode import BodyDecoder
from nexus.rest.http import Api, HttpReply, HttpRequest, QueryParam, Route, json_reply
from nexus.rest.multipart import form_file, is_multipart

DEVICES = "/api/v1/devices"
DEVICE = "/api/v1/devices/{device_id}"
BOOTSTRAP_DEVICES = "/api/v1/bootstrap/devices"
BOOTSTRAP_DEVICE = "/api/v1/bootstrap/devices/{device_id}"

IMPORT_FILE_FIELD = "file"
IMPORT_ROWS_AT_ONCE = 250
"""Rows of one operation, about 5 ms of the core: a long file must not hold up allocations."""

_assign_body = BodyDecoder(schemas.AssignRequest, checks={"site_id": ids.check_site_id})
_whitelist_body = BodyDecoder(
    schemas.WhitelistRequest, checks={"serial": ids.check_serial, "mac": ids.normalise_mac}
)


def _device_id(request: HttpRequest) -> str:
    """A node id or a serial, legal as one of them."""
    value = request.params["device_id"]
    try:
        return ids.check_serial(value)
    except ValueError:
        return params.node_id(value)


async def list_devices(request: HttpRequest, api: Api) -> HttpReply:
    """Devices by serial, all or those of a site or a state."""
    limit, cursor = params.page(request)
    site_id = request.query.get("site_id")
    if site_id is not None:
        params.checked(ids.check_site_id, "site_id", site_id)
    operation = ListDevices(
        site_id=site_id, state=request.query.get("status"), limit=limit, cursor=cursor
    )
    return await _page(operation, request, api)


async def list_pending(request: HttpRequest, api: Api) -> HttpReply:
    """Devices that wait for an operator."""
    limit, cursor = params.page(request)
    return await _page(ListPending(limit=limit, cursor=cursor), request, api)


async def get_device(request: HttpRequest, api: Api) -> HttpReply:
    """One device."""
    return await _one(GetDevice(_device_id(request)), request, api)


async def get_config(request: HttpRequest, api: Api) -> HttpReply:
    """The configuration of a device that has a site."""
    operation = GetDeviceConfig(_device_id(request))
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, device_present.config(view))


async def assign_site(request: HttpRequest, api: Api) -> HttpReply:
    """Bring a device to a site, which approves it."""
    device_id = _device_id(request)
    body, warnings = _assign_body.decode(request.body)
    site_id = params.checked(ids.check_site_id, "site_id", body.site_id)
    operation = AssignSite(device_id, site_id, body.metadata)
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, device_present.assignment(view, warnings))


async def delete_device(request: HttpRequest, api: Api) -> HttpReply:
    """Forget a device; its partner becomes the active one."""
    operation = DeleteDevice(_device_id(request))
    record = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, schemas.DeletedReply("device deleted successfully", record.node_id))


async def whitelist(request: HttpRequest, api: Api) -> HttpReply:
    """List a device before it calls, or let a rejected or revoked one start anew."""
    body, warnings = _whitelist_body.decode(request.body)
    operation = WhitelistDevice(
        serial=params.checked(ids.check_serial, "serial", body.serial),
        mac=params.checked(ids.normalise_mac, "mac", body.mac) if body.mac else None,
        metadata=body.metadata or {},
    )
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(201 if view.created else 200, device_present.device(view.device, warnings))


async def approve(request: HttpRequest, api: Api) -> HttpReply:
    """Say yes to a device."""
    return await _one(ApproveDevice(_device_id(request)), request, api)


async def reject(request: HttpRequest, api: Api) -> HttpReply:
    """Say no to a device."""
    return await _one(RejectDevice(_device_id(request)), request, api)


async def revoke(request: HttpRequest, api: Api) -> HttpReply:
    """Shut a device out."""
    return await _one(RevokeDevice(_device_id(request)), request, api)


async def import_csv(request: HttpRequest, api: Api) -> HttpReply:
    """Assign many devices to sites by a CSV file; good rows count though others are bad."""
    content_type = request.headers.get("Content-Type", "")
    data = request.body
    if is_multipart(content_type):
        data = form_file(content_type, data, IMPORT_FILE_FIELD)
    parsed = parse_csv(data)
    imported = 0
    paired = 0
    faults = list(parsed.faults)
    for start in range(0, len(parsed.rows), IMPORT_ROWS_AT_ONCE):
        operation = ImportDevices(parsed.rows[start : start + IMPORT_ROWS_AT_ONCE])
        view: ImportView = await api.call(operation, request.cause_id, request.actor)
        imported += view.imported
        paired += view.paired
        faults += view.faults
    faults.sort(key=lambda fault: fault.line)
    reply = schemas.ImportReply(imported, paired, tuple(fault.text for fault in faults))
    return json_reply(200, reply)


async def _one(operation: Any, request: HttpRequest, api: Api) -> HttpReply:
    """Ask the core something that a `DeviceRecord` answers."""
    record = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, device_present.device(record))


async def _page(operation: Any, request: HttpRequest, api: Api) -> HttpReply:
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, present.page(view, schemas.DevicePage, device_present.device))


_FILTERS = (
    *params.PAGE,
    QueryParam("site_id", "Only devices of this site."),
    QueryParam("status", f"Only devices in this state: {', '.join(STATES)}."),
)


def _reads(collection: str, one: str) -> tuple[Route, ...]:
    return (
        Route(
            method="GET",
            path=collection,
            handler=list_devices,
            summary="List devices",
            replies={200: schemas.DevicePage},
            query=_FILTERS,
        ),
        Route(
            method="GET",
            path=one,
            handler=get_device,
            summary="Get a device",
            replies={200: schemas.DeviceReply},
            errors=("device_not_found",),
        ),
        Route(
            method="GET",
            path=f"{one}/config",
            handler=get_config,
            summary="Configuration of a device",
            replies={200: schemas.DeviceConfigReply},
            errors=("device_not_found", "device_pending", "device_revoked", "device_rejected"),
        ),
    )


def _verb(name: str, handler: Any, summary: str, *errors: str) -> Route:
    return Route(
        method="POST",
        path=f"{DEVICE}/{name}",
        handler=handler,
        summary=summary,
        replies={200: schemas.DeviceReply},
        errors=("device_not_found", *errors),
    )


ROUTES = (
    *_reads(BOOTSTRAP_DEVICES, BOOTSTRAP_DEVICE),
    *_reads(DEVICES, DEVICE),
    Route(
        method="PUT",
        path=DEVICE,
        handler=assign_site,
        summary="Assign a device to a site",
        body=schemas.AssignRequest,
        replies={200: schemas.AssignReply},
        errors=(
            "malformed_json",
            "device_not_found",
            "device_not_approvable",
            "site_full",
            "body_too_large",
        ),
    ),
    Route(
        method="DELETE",
        path=DEVICE,
        handler=delete_device,
        summary="Delete a device",
        replies={200: schemas.DeletedReply},
        errors=("device_not_found",),
    ),
    Route(
        method="GET",
        path=f"{DEVICES}/pending",
        handler=list_pending,
        summary="List devices that wait for approval",
        replies={200: schemas.DevicePage},
        query=params.PAGE,
    ),
    Route(
        method="POST",
        path=f"{DEVICES}/whitelist",
        handler=whitelist,
        summary="List a device before it calls",
        body=schemas.WhitelistRequest,
        replies={200: schemas.DeviceReply, 201: schemas.DeviceReply},
        errors=("malformed_json", "device_exists", "body_too_large"),
    ),
    Route(
        method="POST",
        path=f"{DEVICES}/import",
        handler=import_csv,
        summary=f"Import a CSV file of serial,site_id (up to {ROWS_MAX} rows; or a form's `file`)",
        body=str,
        body_type="text/csv",
        replies={200: schemas.ImportReply},
        errors=("validation_failed", "body_too_large"),
    ),
    _verb("approve", approve, "Approve a device", "device_not_approvable"),
    _verb("reject", reject, "Reject a device"),
    _verb("revoke", revoke, "Revoke a device"),
)
