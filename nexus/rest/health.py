"""Liveness and readiness."""

from __future__ import annotations

from nexus.core.operations.nodes import GetReadiness
from nexus.errors import NexusError
from nexus.rest import schemas
from nexus.rest.http import TEXT_TYPE, Api, HttpReply, HttpRequest, Route, json_reply


async def health(_request: HttpRequest, api: Api) -> HttpReply:
    """Text ``ok`` while reads are served (on a lone node: writes too)."""
    reason = api.unhealthy()
    if reason is None:
        return HttpReply(200, b"ok", TEXT_TYPE)
    return HttpReply(503, reason.encode(), TEXT_TYPE)


async def health_json(_request: HttpRequest, api: Api) -> HttpReply:
    """The same for scripts that look for a word in JSON."""
    reason = api.unhealthy()
    if reason is None:
        return json_reply(200, schemas.HealthReply("healthy"))
    return json_reply(503, schemas.HealthReply("unhealthy", reason))


async def ready(request: HttpRequest, api: Api) -> HttpReply:
    """Whether this node should get traffic, and if not, why."""
    reason = api.unhealthy()
    if reason is not None:
        return json_reply(503, schemas.ReadyReply(False, (reason,), ()))
    try:
        view = await api.call(GetReadiness(), request.cause_id, request.actor)
    except NexusError as refusal:
        return json_reply(503, schemas.ReadyReply(False, (refusal.message,), ()))
    reply = schemas.ReadyReply(view.ready, view.reasons, view.warnings)
    return json_reply(200 if view.ready else 503, reply)


ROUTES = (
    Route(
        method="GET",
        path="/health",
        handler=health,
        summary="Health check",
        replies={200: None, 503: None},
        reply_type=TEXT_TYPE,
    ),
    Route(
        method="GET",
        path="/api/v1/health",
        handler=health_json,
        summary="Health check in JSON",
        replies={200: schemas.HealthReply, 503: schemas.HealthReply},
    ),
    Route(
        method="GET",
        path="/ready",
        handler=ready,
        summary="Readiness check",
        replies={200: schemas.ReadyReply, 503: schemas.ReadyReply},
    ),
)
