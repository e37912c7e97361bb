"""Why a resource is as it is: holder, shard and history."""

from __future__ import annotations

from nexus.core.operations.read_allocations import Explain
from nexus.errors import validation
from nexus.rest import params, present, schemas
from nexus.rest.http import Api, HttpReply, HttpRequest, Route, json_reply

EXPLAIN = "/api/v1/explain/{pool_id}/{resource}"
RESOURCE_CHARS_MAX = 64


async def explain(request: HttpRequest, api: Api) -> HttpReply:
    """Explain one resource; the slash of a prefix may be sent raw or as ``%2F``."""
    pool_id = params.pool_id(request.params["pool_id"])
    resource = request.params["resource"]
    length = request.params.get("length")
    if length is not None:
        resource = f"{resource}/{length}"
    if len(resource) > RESOURCE_CHARS_MAX:
        raise validation("resource", f"is longer than {RESOURCE_CHARS_MAX} characters")
    view = await api.call(Explain(pool_id, resource), request.cause_id, request.actor)
    return json_reply(200, present.explain(view))


ROUTES = tuple(
    Route(
        method="GET",
        path=path,
        handler=explain,
        summary="Who holds or held a resource, and why",
        replies={200: schemas.ExplainReply},
        errors=("pool_not_found", "resource_outside_pool"),
    )
    for path in (EXPLAIN, EXPLAIN + "/{length}")
)
