"""Allocations that exist: look up, list, renew, release."""

from __future__ import annotations

from nexus.core.operations.confirm_retired import ConfirmRetired
from nexus.core.operations.read_allocations import GetAllocation, ListAllocations, ListExpiring
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError
from nexus.model.time import US_PER_S
from nexus.rest import params, present, schemas
from nexus.rest.allocate import ALLOCATIONS, WRITE_ERRORS
from nexus.rest.decode import BodyDecoder
from nexus.rest.http import Api, HttpReply, HttpRequest, QueryParam, Route, empty_reply, json_reply
from nexus.rest.times import rfc3339, wall_us

ALLOCATION = "/api/v1/allocations/{subscriber_id}"

WITHIN_S_DEFAULT = 3_600
WITHIN_S_MAX = 10 * 366 * 86_400

_renew_body = BodyDecoder(schemas.RenewRequest)
_confirm_body = BodyDecoder(schemas.ConfirmRetiredRequest)


async def get_allocation(request: HttpRequest, api: Api) -> HttpReply:
    """A subscriber's allocation: of the pool named, else the newest IPv4, IPv6, any."""
    subscriber_id = params.subscriber_id(request.params["subscriber_id"])
    operation = GetAllocation(subscriber_id, params.query_pool_id(request))
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, present.allocation(view))


async def delete_allocation(request: HttpRequest, api: Api) -> HttpReply:
    """Release; chosen as for GET."""
    subscriber_id = params.subscriber_id(request.params["subscriber_id"])
    operation = Release(subscriber_id, params.query_pool_id(request))
    await api.call(operation, request.cause_id, request.actor)
    return empty_reply()


async def renew_allocation(request: HttpRequest, api: Api) -> HttpReply:
    """Renew, with another TTL or the same."""
    subscriber_id = params.subscriber_id(request.params["subscriber_id"])
    body, warnings = _renew_body.decode(request.body, optional=True)
    operation = Renew(subscriber_id, params.query_pool_id(request), body.ttl or None)
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, present.allocation(view, warnings))


async def confirm_retired(request: HttpRequest, api: Api) -> HttpReply:
    """The younger of a subscriber's two allocations is out of use: it ends."""
    subscriber_id = params.subscriber_id(request.params["subscriber_id"])
    body, _warnings = _confirm_body.decode(request.body)
    operation = ConfirmRetired(params.pool_id(body.pool_id), subscriber_id, body.resource)
    await api.call(operation, request.cause_id, request.actor)
    return empty_reply()


async def list_allocations(request: HttpRequest, api: Api) -> HttpReply:
    """All allocations, or those that the query selects."""
    limit, cursor = params.page(request)
    operation = ListAllocations(
        pool_id=params.query_pool_id(request),
        subscriber_id=params.query_subscriber_id(request),
        node_id=params.query_node_id(request),
        resource=request.query.get("resource"),
        retired=params.query_flag(request, "retired"),
        limit=limit,
        cursor=cursor,
    )
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, present.page(view, schemas.AllocationPage, present.allocation))


async def list_expiring(request: HttpRequest, api: Api) -> HttpReply:
    """Allocations that end within the given seconds, soonest first."""
    try:
        within_s = params.query_int(request, "within", WITHIN_S_DEFAULT, 0, WITHIN_S_MAX)
    except NexusError:
        raise NexusError(
            "validation_failed",
            f"invalid 'within' parameter: must be seconds, at most {WITHIN_S_MAX}",
        ) from None
    limit, cursor = params.page(request)
    operation = ListExpiring(within_s, params.query_pool_id(request), limit, cursor)
    before_us = wall_us() + within_s * US_PER_S
    view = await api.call(operation, request.cause_id, request.actor)
    reply = present.page(
        view, schemas.AllocationPage, present.allocation, expiring_before=rfc3339(before_us)
    )
    return json_reply(200, reply)


_POOL = QueryParam("pool_id", "Only of this pool.")
_FILTERS = (
    _POOL,
    QueryParam("subscriber_id", "Only of this subscriber."),
    QueryParam("node_id", "Only those asked for by this node."),
    QueryParam("resource", "Only this resource."),
    QueryParam("retired", "Only those to be confirmed out of use.", "boolean"),
)
_WITHIN = QueryParam("within", f"Seconds; default {WITHIN_S_DEFAULT}.", "integer")
_NOT_FOUND = ("pool_not_found", "allocation_not_found")

ROUTES = (
    Route(
        method="GET",
        path=ALLOCATIONS,
        handler=list_allocations,
        summary="List allocations",
        replies={200: schemas.AllocationPage},
        errors=("pool_not_found",),
        query=(*_FILTERS, *params.PAGE),
    ),
    Route(
        method="GET",
        path=f"{ALLOCATIONS}/expiring",
        handler=list_expiring,
        summary="List allocations about to expire",
        replies={200: schemas.AllocationPage},
        errors=("pool_not_found",),
        query=(_WITHIN, _POOL, *params.PAGE),
    ),
    Route(
        method="GET",
        path=ALLOCATION,
        handler=get_allocation,
        summary="Get a subscriber's allocation",
        replies={200: schemas.AllocationReply},
        errors=_NOT_FOUND,
        query=(_POOL,),
    ),
    Route(
        method="DELETE",
        path=ALLOCATION,
        handler=delete_allocation,
        summary="Release a subscriber's allocation",
        replies={204: None},
        errors=(*_NOT_FOUND, *WRITE_ERRORS),
        query=(_POOL,),
    ),
    Route(
        method="POST",
        path=f"{ALLOCATION}/renew",
        handler=renew_allocation,
        summary="Renew the TTL of an allocation",
        body=schemas.RenewRequest,
        body_optional=True,
        replies={200: schemas.AllocationReply},
        errors=("malformed_json", "allocation_permanent", *_NOT_FOUND, *WRITE_ERRORS),
        query=(_POOL,),
    ),
    Route(
        method="POST",
        path=f"{ALLOCATION}/confirm-retired",
        handler=confirm_retired,
        summary="Confirm that a retired allocation is out of use",
        body=schemas.ConfirmRetiredRequest,
        replies={204: None},
        errors=("malformed_json", "resource_outside_pool", *_NOT_FOUND, *WRITE_ERRORS),
    ),
)
