"""Members of the cluster and the hash ring."""

from __future__ import annotations

from typing import Any

from nexus.core.operations.nodes import (
    DrainNode,
    FenceNode,
    GetHashring,
    GetNode,
    Heartbeat,
    ListNodes,
    ResumeNode,
)
from nexus.core.operations.read_allocations import ListAllocations
from nexus.rest import params, present, schemas
from nexus.rest.decode import BodyDecoder
from nexus.rest.http import Api, HttpReply, HttpRequest, Route, json_reply

NODES = "/api/v1/nodes"
NODE = "/api/v1/nodes/{node_id}"
HASHRING = "/api/v1/hashring"

_fence_body = BodyDecoder(schemas.FenceRequest)


def _node_id(request: HttpRequest) -> str:
    return params.node_id(request.params["node_id"])


async def _one_node(operation: Any, request: HttpRequest, api: Api) -> HttpReply:
    """Ask the core something that a `NodeView` answers."""
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, present.node(view))


async def list_nodes(request: HttpRequest, api: Api) -> HttpReply:
    """All members by id."""
    limit, cursor = params.page(request)
    view = await api.call(ListNodes(limit, cursor), request.cause_id, request.actor)
    return json_reply(200, present.page(view, schemas.NodePage, present.node))


async def get_node(request: HttpRequest, api: Api) -> HttpReply:
    """One member."""
    return await _one_node(GetNode(_node_id(request)), request, api)


async def heartbeat(request: HttpRequest, api: Api) -> HttpReply:
    """A member says that it lives; a body is not read."""
    return await _one_node(Heartbeat(_node_id(request)), request, api)


async def drain(request: HttpRequest, api: Api) -> HttpReply:
    """Move everything off a member."""
    return await _one_node(DrainNode(_node_id(request)), request, api)


async def resume(request: HttpRequest, api: Api) -> HttpReply:
    """Let a drained member own shards again."""
    return await _one_node(ResumeNode(_node_id(request)), request, api)


async def fence(request: HttpRequest, api: Api) -> HttpReply:
    """State that a member is gone for good."""
    node_id = _node_id(request)
    body, warnings = _fence_body.decode(request.body, optional=True)
    operation = FenceNode(node_id, body.statement or "")
    view = await api.call(operation, request.cause_id, request.actor)
    return json_reply(200, present.node(view, warnings))


async def list_by_node(request: HttpRequest, api: Api) -> HttpReply:
    """Allocations that a node asked for; of an unknown node an empty page."""
    node_id = _node_id(request)
    limit, cursor = params.page(request)
    operation = ListAllocations(node_id=node_id, limit=limit, cursor=cursor)
    view = await api.call(operation, request.cause_id, request.actor)
    page = present.page(view, schemas.AllocationPage, present.allocation, node_id=node_id)
    return json_reply(200, page)


async def list_by_backup_node(request: HttpRequest, api: Api) -> HttpReply:
    """Allocations labelled with a backup node; of an unknown node an empty page."""
    node_id = _node_id(request)
    limit, cursor = params.page(request)
    operation = ListAllocations(backup_node_id=node_id, limit=limit, cursor=cursor)
    view = await api.call(operation, request.cause_id, request.actor)
    page = present.page(view, schemas.AllocationPage, present.allocation, backup_node_id=node_id)
    return json_reply(200, page)


async def get_hashring(request: HttpRequest, api: Api) -> HttpReply:
    """Placement of shards on members."""
    view = await api.call(GetHashring(), request.cause_id, request.actor)
    return json_reply(200, present.hashring(view))


ROUTES = (
    Route(
        method="GET",
        path=NODES,
        handler=list_nodes,
        summary="List cluster nodes",
        replies={200: schemas.NodePage},
        query=params.PAGE,
    ),
    Route(
        method="GET",
        path=NODE,
        handler=get_node,
        summary="Get a cluster node",
        replies={200: schemas.NodeReply},
        errors=("node_not_found",),
    ),
    Route(
        method="POST",
        path=f"{NODE}/heartbeat",
        handler=heartbeat,
        summary="Heartbeat of a node",
        replies={200: schemas.NodeReply},
        errors=("node_not_found",),
    ),
    Route(
        method="POST",
        path=f"{NODE}/drain",
        handler=drain,
        summary="Move everything off a node",
        replies={200: schemas.NodeReply},
        errors=("node_not_found", "last_owner"),
    ),
    Route(
        method="DELETE",
        path=f"{NODE}/drain",
        handler=resume,
        summary="Let a drained node own shards again",
        replies={200: schemas.NodeReply},
        errors=("node_not_found",),
    ),
    Route(
        method="POST",
        path=f"{NODE}/fence",
        handler=fence,
        summary="State that a node is gone for good",
        body=schemas.FenceRequest,
        body_optional=True,
        replies={200: schemas.NodeReply},
        errors=("malformed_json", "node_not_found", "last_owner"),
    ),
    Route(
        method="GET",
        path=f"{NODE}/allocations",
        handler=list_by_node,
        summary="List allocations of a node",
        replies={200: schemas.AllocationPage},
        query=params.PAGE,
    ),
    Route(
        method="GET",
        path=f"{NODE}/backup-allocations",
        handler=list_by_backup_node,
        summary="List allocations backed up by a node",
        replies={200: schemas.AllocationPage},
        query=params.PAGE,
    ),
    Route(
        method="GET",
        path=HASHRING,
        handler=get_hashring,
        summary="Placement of shards on nodes",
        replies={200: schemas.HashringReply},
    ),
)
