"""Allocate: one resource, or up to a thousand with one durable commit."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import msgspec

from nexus.core.operations.allocate import Allocate, AllocateBatch
from nexus.errors import NexusError, validation
from nexus.model import ids
from nexus.model.views import BatchItem
from nexus.rest import params, present, schemas
from nexus.rest.decode import BodyDecoder, Warnings, parse_json, unknown_keys
from nexus.rest.http import Api, HttpReply, HttpRequest, Route, error_body, json_reply
from nexus.telemetry.metrics import Metrics

ALLOCATIONS = "/api/v1/allocations"

_allocate_body = BodyDecoder(
    schemas.AllocationRequest,
    checks={
        "pool_id": ids.check_pool_id,
        "subscriber_id": ids.check_subscriber_id,
        "node_id": ids.check_node_id,
        "backup_node_id": ids.check_node_id,
    },
)
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


class Creation:
    """The two ways to allocate, counted by pool and result."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def one(self, request: HttpRequest, api: Api) -> HttpReply:
        """Allocate; a compatible repeat is 200 with the record.  The hot path of the server."""
        started = perf_counter()
        body, warnings = _allocate_body.decode(request.body)
        operation = _operation(body)
        try:
            view = await api.call(operation, request.cause_id, request.actor)
        except NexusError as refusal:
            stats = self._metrics.pool_refusing(operation.pool_id, refusal.code)
            stats.observe(refusal.code, perf_counter() - started)
            raise
        result = "created" if view.created else "existing"
        self._metrics.pool(view.pool_id).observe(result, perf_counter() - started)
        return json_reply(201 if view.created else 200, present.allocation(view, warnings))

    async def batch(self, request: HttpRequest, api: Api) -> HttpReply:
        """Allocate many with one durable commit; each item succeeds or fails by itself."""
        asked, batch_warnings = _batch_items(request.body)
        items = tuple([item for item, _warnings in asked])
        answers: tuple[BatchItem, ...] = ()
        if items:
            view = await api.call(AllocateBatch(items), request.cause_id, request.actor)
            answers = view.results
        results = tuple(
            [
                self._batch_result(answer, item, warnings, request.cause_id)
                for answer, (item, warnings) in zip(answers, asked, strict=True)
            ]
        )
        failed = sum([result.error is not None for result in results])
        reply = schemas.BatchReply(results, len(results), failed, batch_warnings)
        return json_reply(200, reply)

    def _batch_result(
        self, answer: BatchItem, item: Allocate | NexusError, warnings: Warnings, cause_id: str
    ) -> schemas.BatchResult:
        view = answer.allocation
        if view is not None:
            self._metrics.pool(view.pool_id).count("created" if view.created else "existing")
            status = 201 if view.created else 200
            return schemas.BatchResult(status, present.allocation(view, warnings))
        error = present.unknown_error(answer.error)
        if isinstance(item, Allocate):
            self._metrics.pool_refusing(item.pool_id, error.code).count(error.code)
        return schemas.BatchResult(error.status, None, error_body(error, cause_id))


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


WRITE_ERRORS = (
    *("pool_not_found", "body_too_large", "starting"),
    *("owner_unreachable", "quorum_unavailable", "storage_failed"),
)


def routes(metrics: Metrics) -> tuple[Route, ...]:
    """The routes that allocate, counted in ``metrics``."""
    creation = Creation(metrics)
    return (
        Route(
            method="POST",
            path=ALLOCATIONS,
            handler=creation.one,
            summary="Allocate a resource to a subscriber",
            body=schemas.AllocationRequest,
            replies={200: schemas.AllocationReply, 201: schemas.AllocationReply},
            errors=(
                *("malformed_json", "allocation_exists", "resource_taken", "resource_cooling"),
                *("resource_excluded", "resource_outside_pool", "pool_exhausted", *WRITE_ERRORS),
            ),
        ),
        Route(
            method="POST",
            path=f"{ALLOCATIONS}/batch",
            handler=creation.batch,
            summary="Allocate many in one durable commit",
            body=schemas.BatchRequest,
            replies={200: schemas.BatchReply},
            errors=("malformed_json", *WRITE_ERRORS),
        ),
    )
