"""Pools: create, list, show, delete, their shards, usage and backup labels."""

from __future__ import annotations

from functools import partial

import msgspec

from nexus.core.operations.backups import CreateBackups
from nexus.core.operations.create_pool import CreatePool
from nexus.core.operations.delete_pool import DeletePool
from nexus.core.operations.read_pools import GetPool, GetUsage, ListPools, ListShards
from nexus.model import ids
from nexus.resources import pool_spec_from
from nexus.resources.knobs import ACK_LIMIT_S
from nexus.rest import params, present, schemas
from nexus.rest.decode import BodyDecoder
from nexus.rest.http import (
    Api,
    HttpReply,
    HttpRequest,
    QueryParam,
    Route,
    empty_reply,
    json_reply,
)

POOLS = "/api/v1/pools"
POOL = "/api/v1/pools/{pool_id}"

_pool_body = BodyDecoder(
    schemas.PoolRequest,
    aliases={"prefix_length": "prefix"},
    field_words={"id": "pool_id"},
    checks={"id": ids.check_pool_id},
)
_backups_body = BodyDecoder(schemas.BackupsRequest, checks={"backup_node_id": ids.check_node_id})


async def list_pools(request: HttpRequest, api: Api) -> HttpReply:
    """All pools in order of creation."""
    limit, cursor = params.page(request)
    view = await api.call(ListPools(limit, cursor), request.cause_id, request.actor)
    return json_reply(200, present.page(view, schemas.PoolPage, present.pool))


async def create_pool(
    request: HttpRequest, api: Api, ack_limit_s: float = ACK_LIMIT_S
) -> HttpReply:
    """Create a pool; the same definition again is 200."""
    body, warnings = _pool_body.decode(request.body)
    params.pool_id(body.id)
    asked = {
        key: value for key, value in msgspec.structs.asdict(body).items() if value not in (None, "")
    }
    if not asked.get("prefix"):
        asked.pop("prefix", None)
    spec, more_warnings = pool_spec_from(asked, ack_limit_s=ack_limit_s)
    view = await api.call(CreatePool(spec), request.cause_id, request.actor)
    reply = present.pool(view, (*warnings, *more_warnings))
    return json_reply(201 if view.created else 200, reply)


async def get_pool(request: HttpRequest, api: Api) -> HttpReply:
    """One pool."""
    pool_id = params.pool_id(request.params["pool_id"])
    view = await api.call(GetPool(pool_id), request.cause_id, request.actor)
    return json_reply(200, present.pool(view))


async def delete_pool(request: HttpRequest, api: Api) -> HttpReply:
    """Delete a pool; with live allocations only by ``force``."""
    pool_id = params.pool_id(request.params["pool_id"])
    force = params.query_flag(request, "force")
    await api.call(DeletePool(pool_id, force), request.cause_id, request.actor)
    return empty_reply()


async def list_shards(request: HttpRequest, api: Api) -> HttpReply:
    """Shards of a pool with owner, epoch and units by state."""
    pool_id = params.pool_id(request.params["pool_id"])
    limit, cursor = params.page(request)
    view = await api.call(ListShards(pool_id, limit, cursor), request.cause_id, request.actor)
    return json_reply(200, present.page(view, schemas.ShardPage, present.shard))


async def get_usage(request: HttpRequest, api: Api) -> HttpReply:
    """Units of a pool by state."""
    pool_id = params.pool_id(request.params["pool_id"])
    view = await api.call(GetUsage(pool_id), request.cause_id, request.actor)
    return json_reply(200, present.usage(view))


async def create_backups(request: HttpRequest, api: Api) -> HttpReply:
    """Label allocations of other nodes with a backup node."""
    pool_id = params.pool_id(request.params["pool_id"])
    body, warnings = _backups_body.decode(request.body)
    backup_node_id = params.node_id(body.backup_node_id, "backup_node_id")
    operation = CreateBackups(pool_id, backup_node_id)
    view = await api.call(operation, request.cause_id, request.actor)
    reply = schemas.BackupsReply(
        view.pool_id, view.backup_node_id, view.allocations_count, warnings
    )
    return json_reply(201, reply)


def routes(*, ack_limit_s: float = ACK_LIMIT_S) -> tuple[Route, ...]:
    """The routes; the cluster's ``ack_limit_s`` bounds some knobs of a pool."""
    create = Route(
        method="POST",
        path=POOLS,
        handler=partial(create_pool, ack_limit_s=ack_limit_s),
        summary="Create a resource pool",
        body=schemas.PoolRequest,
        replies={200: schemas.PoolReply, 201: schemas.PoolReply},
        errors=("malformed_json", "pool_exists", "pool_overlaps", "body_too_large"),
    )
    return (_LIST, create, *_OTHERS)


_LIST = Route(
    method="GET",
    path=POOLS,
    handler=list_pools,
    summary="List resource pools",
    replies={200: schemas.PoolPage},
    query=params.PAGE,
)
_OTHERS = (
    Route(
        method="GET",
        path=POOL,
        handler=get_pool,
        summary="Get a pool",
        replies={200: schemas.PoolReply},
        errors=("pool_not_found",),
    ),
    Route(
        method="DELETE",
        path=POOL,
        handler=delete_pool,
        summary="Delete a pool",
        replies={204: None},
        errors=("pool_not_found", "pool_in_use"),
        query=(QueryParam("force", "Release what is live in it.", "boolean"),),
    ),
    Route(
        method="GET",
        path=f"{POOL}/shards",
        handler=list_shards,
        summary="List the shards of a pool",
        replies={200: schemas.ShardPage},
        errors=("pool_not_found",),
        query=params.PAGE,
    ),
    Route(
        method="GET",
        path=f"{POOL}/usage",
        handler=get_usage,
        summary="Units of a pool by state",
        replies={200: schemas.UsageReply},
        errors=("pool_not_found",),
    ),
    Route(
        method="POST",
        path=f"{POOL}/backup-allocations",
        handler=create_backups,
        summary="Label allocations with a backup node",
        body=schemas.BackupsRequest,
        replies={201: schemas.BackupsReply},
        errors=("malformed_json", "pool_not_found", "body_too_large"),
    ),
)
