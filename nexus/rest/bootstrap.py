"""Registration in all three dialects, and what an edge needs to start.

One device stands behind every path: the seed's ``/bootstrap/register`` and the ztp client's
``/bootstrap`` answer alike (201 new, 200 known, `pending` until there is a site), the agent's
``/devices/register`` says 202 while it has to wait and 200 with `approved` or `rejected`.  Nobody
has to show who he is here, so all registrations together pass one token bucket.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from nexus.core.operations.devices import AGENT, ZTP, GetDeviceConfig, RegisterDevice
from nexus.devices.records import CONFIGURED, PENDING
from nexus.devices.views import DeviceConfigView, RegistrationView
from nexus.errors import NexusError
from nexus.model import ids
from nexus.model.time import NS_PER_S
from nexus.rest import device_present, device_schemas, params
from nexus.rest.decode import BodyDecoder
from nexus.rest.http import Api, Handler, HttpReply, HttpRequest, Route, json_reply
from nexus.rest.token_bucket import TokenBucket

REGISTRATIONS_PER_S = 100
REGISTRATIONS_BURST = 2_000
"""A thousand edges that come up together after a power cut, twice over."""

ZTP_PATHS = ("/api/v1/bootstrap/register", "/api/v1/bootstrap")
AGENT_PATH = "/api/v1/devices/register"

_body = BodyDecoder(
    device_schemas.RegistrationRequest,
    checks={"serial": ids.check_serial, "mac": ids.normalise_mac},
)


def routes(
    clock_ns: Callable[[], int] = time.monotonic_ns,
    per_s: int = REGISTRATIONS_PER_S,
    burst: int = REGISTRATIONS_BURST,
) -> tuple[Route, ...]:
    """The registration routes of one server, which share one token bucket."""
    bucket = TokenBucket(per_s, burst)

    def limited(handler: Handler) -> Handler:
        async def handle(request: HttpRequest, api: Api) -> HttpReply:
            wait_ns = bucket.take(clock_ns())
            if wait_ns:
                raise NexusError(
                    "rate_limited", "rate limit exceeded", retry_after_s=-(-wait_ns // NS_PER_S)
                )
            return await handler(request, api)

        handle.__doc__ = handler.__doc__
        return handle

    ztp_handler = limited(register_ztp)
    errors = ("malformed_json", "validation_failed", "device_exists", "body_too_large")
    return (
        *(
            Route(
                method="POST",
                path=path,
                handler=ztp_handler,
                summary="Register a device",
                body=device_schemas.RegistrationRequest,
                replies={200: device_schemas.ZtpReply, 201: device_schemas.ZtpReply},
                errors=(*errors, "device_revoked", "device_rejected", "rate_limited"),
            )
            for path in ZTP_PATHS
        ),
        Route(
            method="POST",
            path=AGENT_PATH,
            handler=limited(register_agent),
            summary="Register a device (agent dialect)",
            body=device_schemas.RegistrationRequest,
            replies={200: device_schemas.AgentReply, 202: device_schemas.AgentReply},
            errors=(*errors, "rate_limited"),
        ),
    )


async def register_ztp(request: HttpRequest, api: Api) -> HttpReply:
    """A device calls in the ztp dialect."""
    view, configured, warnings = await _register(request, api, ZTP)
    reply = device_present.ztp(view, configured, warnings)
    return json_reply(201 if view.created else 200, reply)


async def register_agent(request: HttpRequest, api: Api) -> HttpReply:
    """A device calls in the agent dialect."""
    view, configured, warnings = await _register(request, api, AGENT)
    reply = device_present.agent(view, configured, warnings)
    return json_reply(202 if view.device.state == PENDING else 200, reply)


async def _register(
    request: HttpRequest, api: Api, dialect: str
) -> tuple[RegistrationView, DeviceConfigView | None, tuple[str, ...]]:
    """Register, and fetch the configuration where there is one."""
    body, warnings = _body.decode(request.body)
    operation = RegisterDevice(
        serial=params.checked(ids.check_serial, "serial", body.serial),
        mac=params.checked(ids.normalise_mac, "mac", body.mac),
        dialect=dialect,
        model=body.model or "",
        firmware=body.firmware or "",
        public_key=body.public_key or "",
        agent_version=body.agent_version or "",
        capabilities=tuple(body.capabilities or ()),
    )
    view: RegistrationView = await api.call(operation, request.cause_id, request.actor)
    configured: DeviceConfigView | None = None
    if view.device.state == CONFIGURED:
        wanted = GetDeviceConfig(view.device.node_id)
        configured = await api.call(wanted, request.cause_id, request.actor)
    return view, configured, (*warnings, *view.warnings)
