"""Allocations: ask, look up, list, renew, release, one by one or a thousand at once."""

from __future__ import annotations

from typing import Any

import msgspec

from nexus.core.operations.allocate import Allocate, AllocateBatch
from nexus.core.operations.read_allocations import GetAllocation, ListAllocations, ListExpiring
from nexus.core.operations.release import Release
from nexus.core.operations.renew import Renew
from nexus.errors import NexusError, validation
from nexus.model import ids
from nexus.model.time import US_PER_S
from nexus.model.views import BatchItem
from nexus.rest import params, present, schemas
from nexus.rest.decode import BodyDecoder, Warnings, parse_json, unknown_keys
from nexus.rest.http import (
    Api,
    HttpReply,
    HttpRequest,
    QueryParam,
    Route,
    empty_reply,
    error_body,
    json_reply,
)
from nexus.rest.times import rfc3339, wall_us

ALLOCATIONS = "/api/v1/allocations"
ALLOCATION = "/api/v1/allocations/{subscriber_id}"

WITHIN_S_DEFAULT = 3_600
WITHIN_S_MAX = 10 * 366 * 86_400

_allocate_body = BodyDecoder(
    schemas.AllocationRequest,
    checks={
        "pool_id": ids.check_pool_id,
        "subscriber_id": ids.check_subscriber_id,
        "node_id": ids.check_node_id,
        "backup_node_id": ids.check_node_id,
    },
)
_renew_body = BodyDecoder(schemas.RenewRequest)
_BatchItem = tuple[Allocate | NexusError, Warnings]
_decode_batch = msgspec.json.Decoder(schemas.BatchRequest).decode


def _operation(body: schemas.AllocationRequest) -> Allocate:
    """The core's request; empty texts and a TTL of 0 are absent."""
    resource = body.ip or body.resource or None
    if body.resource and resource != body.resource:
        raise validation("resource", f"'{body.resource}' contradicts ip '{body.ip}'")
    if body.alloc_type == "permanent" and body.ttl:
        raise validation("ttl", "a permanent allocation takes no ttl")
    node_id = body.node_id
    backup_node_id = body.backup_node_id
    return Allocate(
        params.pool_id(body.pool_id),
        params.subscriber_id(body.subscriber_id),
        resource,
        params.node_id(node_id) if node_id else None,
        params.node_id(backup_node_id, "backup_node_id") if backup_node_id else None,
        body.ttl or None,
        body.alloc_type,
        bool(body.provisional),
    )


async def create_allocation(request: HttpRequest, api: Api) -> HttpReply:
    """Allocate; a compatible repeat is 200 with the record.  The hot path of the server."""
    body, warnings = _allocate_body.decode(request.body)
    view = await api.call(_operation(body), request.cause_id, request.actor)
    return json_reply(201 if view.created else 200, present.allocation(view, warnings))


async def create_batch(request: HttpRequest, api: Api) -> HttpReply:
    """Allocate many with one durable commit; each item succeeds or fails by itself."""
    asked, batch_warnings = _batch_items(request.body)
    items = tuple(item for item, _warnings in asked)
    answers: tuple[BatchItem, ...] = ()
    if items:
        view = await api.call(AllocateBatch(items), request.cause_id, request.actor)
        answers = view.results
    results = tuple(
        [
            _batch_result(answer, warnings, request.cause_id)
            for answer, (_item, warnings) in zip(answers, asked, strict=True)
        ]
    )
    failed = sum(1 for result in results if result.error is not None)
    return json_reply(200, schemas.BatchReply(results, len(results), failed, batch_warnings))


def _batch_items(body: bytes) -> tuple[list[_BatchItem], Warnings]:
    """Decode each item by itself; what is wrong with one is its own error."""
    decoded: list[Any]
    warnings: Warnings = ()
    try:
        decoded = list(_decode_batch(body).allocations)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raw = parse_json(body)
        found = raw.get("allocations") if isinstance(raw, dict) else None
        if not isinstance(found, list):
            raise validation("allocations", "must be a list of allocation requests") from None
        decoded = found
        warnings = unknown_keys(raw, {"allocations"})
    if len(decoded) > schemas.BATCH_MAX:
        raise validation("allocations", f"has {len(decoded)} items, at most {schemas.BATCH_MAX}")
    return [_batch_item(item) for item in decoded], warnings


def _batch_item(item: Any) -> _BatchItem:
    warnings: Warnings = ()
    try:
        if not isinstance(item, schemas.AllocationRequest):
            item, warnings = _allocate_body.convert(item)
        return _operation(item), warnings
    except NexusError as refusal:
        return refusal, ()


def _batch_result(answer: BatchItem, warnings: Warnings, cause_id: str) -> schemas.BatchResult:
    view = answer.allocation
    if view is not None:
        status = 201 if view.created else 200
        return schemas.BatchResult(status, present.allocation(view, warnings))
    error = present.unknown_error(answer.error)
    return schemas.BatchResult(error.status, None, error_body(error, cause_id))


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


async def list_allocations(request: HttpRequest, api: Api) -> HttpReply:
    """All allocations, or those that the query selects."""
    limit, cursor = params.page(request)
    operation = ListAllocations(
        pool_id=params.query_pool_id(request),
        subscriber_id=params.query_subscriber_id(request),
        node_id=params.query_node_id(request),
        resource=request.query.get("resource"),
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
)
_WRITE_ERRORS = ("body_too_large", "starting", "owner_unreachable", "storage_failed")

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
        method="POST",
        path=ALLOCATIONS,
        handler=create_allocation,
        summary="Allocate a resource to a subscriber",
        body=schemas.AllocationRequest,
        replies={200: schemas.AllocationReply, 201: schemas.AllocationReply},
        errors=(
            *("malformed_json", "pool_not_found", "allocation_exists", "resource_taken"),
            *("resource_cooling", "resource_excluded", "resource_outside_pool"),
            *("pool_exhausted", "quorum_unavailable", *_WRITE_ERRORS),
        ),
    ),
    Route(
        method="POST",
        path=f"{ALLOCATIONS}/batch",
        handler=create_batch,
        summary="Allocate many in one durable commit",
        body=schemas.BatchRequest,
        replies={200: schemas.BatchReply},
        errors=("malformed_json", *_WRITE_ERRORS),
    ),
    Route(
        method="GET",
        path=f"{ALLOCATIONS}/expiring",
        handler=list_expiring,
        summary="List allocations about to expire",
        replies={200: schemas.AllocationPage},
        errors=("pool_not_found",),
        query=(
            QueryParam("within", f"Seconds; default {WITHIN_S_DEFAULT}.", "integer"),
            _POOL,
            *params.PAGE,
        ),
    ),
    Route(
        method="GET",
        path=ALLOCATION,
        handler=get_allocation,
        summary="Get a subscriber's allocation",
        replies={200: schemas.AllocationReply},
        errors=("pool_not_found", "allocation_not_found"),
        query=(_POOL,),
    ),
    Route(
        method="DELETE",
        path=ALLOCATION,
        handler=delete_allocation,
        summary="Release a subscriber's allocation",
        replies={204: None},
        errors=("pool_not_found", "allocation_not_found", *_WRITE_ERRORS),
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
        errors=(
            *("malformed_json", "pool_not_found", "allocation_not_found"),
            *("allocation_permanent", *_WRITE_ERRORS),
        ),
        query=(_POOL,),
    ),
)
